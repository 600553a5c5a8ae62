"""The scripts of README: what they install, once, and what they hand on; nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = '#!/bin/sh\necho "$@" >> {folder}/pip.txt\n'
NAS = '#!/bin/sh\nfor word; do echo "<$word>"; done\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the scripts, with a `.venv` whose programs only say what they are asked."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text("one")
    (tmp_path / "constraints.txt").write_text("")
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    for name, text in {"python": PIP.format(folder=tmp_path), "nas": NAS}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return tmp_path


def quickstart(checkout: Path, *words: str) -> list[str]:
    command = ["bash", str(checkout / "scripts/quickstart.sh"), *words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.splitlines()


def installed(checkout: Path) -> list[str]:
    """Return the last words of each call of pip."""
    return [line.split()[-1] for line in (checkout / "pip.txt").read_text().splitlines()]


def test_further_words_are_handed_to_the_search_and_name_no_extra(checkout: Path) -> None:
    said = quickstart(checkout, "--set", "name=two words")
    assert said[-3:] == ["<--overwrite>", "<--set>", "<name=two words>"]
    assert installed(checkout) == ["."]


def test_requirements_are_installed_once_and_again_where_they_changed(checkout: Path) -> None:
    for text, times in (("one", 1), ("one", 1), ("two", 2), ("one", 3), ("one", 3)):
        (checkout / "pyproject.toml").write_text(text)
        quickstart(checkout)
        assert installed(checkout) == ["."] * times


def test_what_an_extra_brought_stays_known_beside_the_plain_install(checkout: Path) -> None:
    for extra in ("dev", "", "dev", ""):
        command = f"source {checkout}/scripts/setup.sh {extra!r}"
        subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    assert installed(checkout) == [".[dev]", "."]
