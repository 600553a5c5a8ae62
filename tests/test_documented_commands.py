"""Every command of the README and of the configs' heads runs, with fewer trials and pictures."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from nas_cifar10.cli import app

ROOT = Path(__file__).parents[1]
FEWER = ["search.trials=2", "search.cohort=2", "training.epochs=1", "retrain.epochs=1"]
FEWER += ["training.precision=fp32", "training.threads=1", "search.sampler.startup_trials=1"]
CIFAR = ["data.source=image_folder", f"data.root={ROOT / 'data/cifar'}", "data.limit=200"]
SCRIPTS = {"bash scripts/quickstart.sh", "bash scripts/test.sh"}


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("source ")]


def config_commands() -> list[str]:
    commands = []
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        commands += [line.lstrip("# ") for line in lines if re.match(r"#\s+nas ", line)]
    return commands


COMMANDS = sorted({*readme_commands(), *config_commands()} - SCRIPTS)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the configs and a few pictures of three classes."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    noise = np.random.default_rng(0)
    for name in ("cat", "dog", "bird"):
        folder = tmp_path / "data/pictures/train" / name
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = noise.integers(0, 256, (24, 20, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_has_the_two_commands_and_more() -> None:
    assert set(readme_commands()) >= SCRIPTS
    assert len(COMMANDS) >= 4
    for script in SCRIPTS:
        assert (ROOT / script.removeprefix("bash ")).is_file()


def needs_cifar(command: str) -> bool:
    return "default.yaml" in command or "thorough.yaml" in command


def run(command: str) -> None:
    words = shlex.split(command)
    assert words[0] == "nas"
    overrides = [] if words[1] == "data" else FEWER
    if needs_cifar(command):
        overrides = [*overrides, *CIFAR]
    words += [word for override in overrides for word in ("--set", override)]
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", [c for c in COMMANDS if not needs_cifar(c)])
def test_a_documented_command_runs(checkout: Path, command: str) -> None:
    run(command)


@pytest.mark.cifar
@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if needs_cifar(c)])
def test_a_documented_command_runs_on_a_little_of_cifar10(checkout: Path, command: str) -> None:
    if not (ROOT / "data/cifar/train").is_dir():
        pytest.skip("the CIFAR-10 pictures are not under data/cifar")
    run(command)
    assert (checkout / "outputs").is_dir()
