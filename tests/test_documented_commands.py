"""Every command of README, tutorial and configs runs, with fewer trials and pictures."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from typer.testing import CliRunner

from made_links import some_of_cifar10
from made_trained import trained_run
from nas_cifar10.cli.app import app
from nas_cifar10.config.load import load_config
from nas_cifar10.data.decode import into
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.space.search_space import SearchSpace

ROOT = Path(__file__).parents[1]
FEWER = ["search.trials=2", "search.cohort=2", "training.epochs=1", "retrain.epochs=1"]
FEWER += ["training.precision=fp32", "training.threads=1", "search.sampler.startup_trials=1"]
CIFAR = ["data.source=image_folder", "data.root=cifar", "data.limit=200"]
TRAINING = {"run", "search", "retrain", "validate"}
AFTER_A_RUN = {"predict", "export", "report", "retrain", "dashboard"}
SCRIPTS = {"bash scripts/quickstart.sh", "bash scripts/test.sh"}


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the language and the text of every block that is to be run."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"```(bash|python)\n(.*?)```", text, flags=re.DOTALL)


def commands_of(block: str) -> list[str]:
    lines = [line.partition("#")[0].strip() for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("source ")]


def readme_commands() -> list[str]:
    found = [block for language, block in blocks("README.md") if language == "bash"]
    return [command for block in found for command in commands_of(block)]


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
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos/1.png")
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_has_the_two_commands_and_more() -> None:
    assert set(readme_commands()) >= SCRIPTS
    assert len(COMMANDS) >= 4
    for script in SCRIPTS:
        assert (ROOT / script.removeprefix("bash ")).is_file()


def needs_cifar(command: str) -> bool:
    named = re.search(r"configs/\w+\.yaml", command)
    return named is not None and "source: cifar10" in (ROOT / named[0]).read_text(encoding="utf-8")


def run(command: str) -> None:
    words = shlex.split(command)
    assert words[0] == "nas"
    if words[1] == "dashboard":
        look_at_dashboard(words)
        return
    overrides = FEWER if words[1] in TRAINING else []
    if needs_cifar(command):
        overrides = [*overrides, *CIFAR]
    words += [word for override in overrides for word in ("--set", override)]
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output


def look_at_dashboard(words: list[str]) -> None:
    """Start it on a free port, and end it as a person does."""
    command = [sys.executable, "-m", "nas_cifar10", *words[1:], "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return trained_run(tmp_path_factory.mktemp("trained"), drawn=True)


@pytest.mark.parametrize("command", [c for c in COMMANDS if not needs_cifar(c)])
def test_a_documented_command_runs(checkout: Path, trained: RunFolder, command: str) -> None:
    if shlex.split(command)[1] in AFTER_A_RUN:
        shutil.copytree(trained.root, checkout / "outputs/trained")
    run(command)


def test_the_tutorial_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra [export] is not installed")
    pytest.importorskip("optuna_dashboard", reason="the extra [dashboard] is not installed")
    monkeypatch.chdir(tmp_path)
    seen = set()
    for language, block in blocks("docs/tutorial.md"):
        if language == "python":
            subprocess.run([sys.executable, "-W", "error", "-c", block], check=True)
        for command in commands_of(block) if language == "bash" else ():
            run(command)
            seen.add(shlex.split(command)[1])
    assert seen >= {"init", "validate", "data", "search", "run", "report", "predict", "export"}
    assert (tmp_path / "outputs/digits/retrain/model.onnx").is_file()
    assert not (tmp_path / "outputs/quickstart").exists(), "README's script made that one"


def test_the_readmes_config_is_valid_and_its_space_as_large_as_it_says(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", readme, flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(block)
    config = load_config(tmp_path / "mine.yaml", ["space.training.learning_rate=0.001"])
    size = SearchSpace.from_config(config.space).size()
    assert f"This space holds {size:,.0f} networks" in readme


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_tutorial_prepares_a_photo_as_predict_does(tmp_path: Path, orientation: int) -> None:
    photo, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    noise = np.random.default_rng(0).integers(0, 256, (45, 71, 3), np.uint8)
    Image.fromarray(noise).save(photo, exif=exif)
    (block,) = (block for _, block in blocks("docs/tutorial.md") if "def prepared" in block)
    told: dict[str, Any] = {}
    exec(block, told)
    decoded = np.empty((3, 32, 32), np.uint8)
    assert into(decoded, photo) is None
    assert np.array_equal(told["prepared"](str(photo), 32), decoded[None])


@pytest.mark.cifar
@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if needs_cifar(c)])
def test_a_documented_command_runs_on_a_little_of_cifar10(checkout: Path, command: str) -> None:
    some_of_cifar10(checkout / "cifar", train=30, test=6)
    run(command)
    assert (checkout / "outputs").is_dir()


def recipes() -> list[str]:
    """Return the blocks of docs/clusters.md that are meant for a shell of a cluster."""
    return [block for language, block in blocks("docs/clusters.md") if language == "bash"]


@pytest.mark.parametrize("recipe", recipes(), ids=["bare machines", "Slurm"])
def test_a_recipe_for_a_cluster_is_shell_and_its_search_runs(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = subprocess.run(["bash", "-n"], input=recipe.encode(), capture_output=True)
    assert (parsed.returncode, parsed.stderr) == (0, b"")
    (command,) = re.findall(r"^nas (?:.*\\\n)*.*$", recipe, flags=re.MULTILINE)
    words = shlex.split(command.replace("\\\n", " "), comments=True)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    here = ["search.executor=local", "search.workers=1", "data={source: digits, limit: 200}"]
    few = [word for key in [*FEWER, *here, "space.depth=2"] for word in ("--set", key)]
    words = [word for word in words[1:] if word != "--workers" and not word.isdigit()]
    result = CliRunner().invoke(app, [*words, *few, "-q"])
    assert result.exit_code == 0, result.output
    assert RunFolder(tmp_path / "outputs" / "default").best.exists()
