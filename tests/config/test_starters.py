"""Configs to start from: listed, copied, never over a file; in a wheel as in a checkout."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from made_trained import nas, refused
from nas_cifar10.config import starters
from nas_cifar10.config.load import load_config

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_name_every_config_is_listed_with_its_purpose(here: Path) -> None:
    result = nas("init")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    for name, line in zip(NAMES, lines, strict=True):
        comments = (ROOT / f"configs/{name}.yaml").read_text().splitlines()
        head = comments[: comments.index("#")]  # whole sentences, however many lines they take
        assert line.endswith(" ".join(each.removeprefix("# ") for each in head))
        assert line.endswith(".")
    assert list(here.iterdir()) == []


def test_purposes_are_wrapped_beside_the_names(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=60)
    monkeypatch.setattr("nas_cifar10.cli.configs.stdout_console", lambda: console)
    lines = nas("init").stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert [line.split()[0] for line in lines if not line.startswith(" " * 14)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_the_same_config_and_its_commands_name_the_copy(here: Path, name: str) -> None:
    result = nas("init", name)
    assert (result.exit_code, result.stdout) == (0, f"{name}.yaml\n")
    assert load_config(here / f"{name}.yaml") == load_config(ROOT / f"configs/{name}.yaml")
    text = (here / f"{name}.yaml").read_text()
    assert f"nas run --config {name}.yaml" in text
    assert "configs/" not in text


@pytest.mark.parametrize(
    ("out", "written"), [("my run.yaml", "'my run.yaml'"), ("a\nname: b.yaml", "FILE")]
)
def test_an_odd_name_stays_in_the_comment(here: Path, out: str, written: str) -> None:
    assert nas("init", "quickstart", "--out", out).exit_code == 0
    assert load_config(here / out) == load_config(ROOT / "configs/quickstart.yaml")
    assert f"nas run --config {written}\n" in (here / out).read_text()


def test_an_existing_file_is_never_overwritten(here: Path) -> None:
    (here / "quickstart.yaml").write_text("mine")
    assert "quickstart.yaml: exists already" in refused(73, "init", "quickstart")
    assert (here / "quickstart.yaml").read_text() == "mine"
    (here / "link.yaml").symlink_to("nowhere")
    refused(73, "init", "quickstart", "--out", "link.yaml")


def test_a_file_without_a_name_is_asked_for_the_name(here: Path) -> None:
    assert "--out: needs the NAME of a config" in refused(2, "init", "--out", "my.yaml")
    assert list(here.iterdir()) == []


def test_an_unknown_name_is_answered_with_those_there_are(here: Path) -> None:
    message = refused(2, "init", "quikstart")
    assert f"must be one of {', '.join(NAMES)}, got 'quikstart'" in message
    assert "did you mean quickstart?" in message
    refused(2, "init", "../configs/default")


def test_every_package_is_in_the_wheel() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    source = ROOT / "src"
    found = {
        ".".join(path.parent.relative_to(source).parts)
        for path in source.glob("nas_cifar10/**/__init__.py")
    }
    assert set(setuptools["packages"]) == found | {"nas_cifar10.configs"}


@pytest.mark.slow
def test_an_installed_package_has_the_configs(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", "77", reason="setuptools builds the wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("src", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.egg-info"))
    build = ["wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", "-q"]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, cwd=tmp_path)
    (wheel,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = "from nas_cifar10.config.starters import folder; print(folder())"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.stdout.strip() == str(tmp_path / "installed/nas_cifar10/configs")
    for path in starters.folder().glob("*.yaml"):
        copy = tmp_path / "installed/nas_cifar10/configs" / path.name
        assert copy.read_bytes() == path.read_bytes()
    assert (tmp_path / "installed/nas_cifar10/py.typed").is_file()
    assert (tmp_path / "installed/nas_cifar10/report/templates/page.html").is_file()
