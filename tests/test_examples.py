"""Every example runs, on few pictures, and stays short."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


def own_folder(folder: Path) -> list[str]:
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "pictures/train" / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(0, 256, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "pictures/train" / name / f"{number}.png")
    few = ["search.trials=2", "search.cohort=2", "training.epochs=1", "training.threads=1"]
    return [str(folder / "pictures"), str(folder / "out"), *few, "training.precision=fp32"]


WORDS: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "search_your_own_folder": (own_folder, "nas retrain --run"),
    "train_one_architecture": (lambda folder: ["2"], "epoch 2: validation accuracy 0."),
    "rank_by_cost": (lambda folder: ["2e6"], "candidates take at most 2,000,000"),
}


def test_every_example_is_known_here() -> None:
    assert [path.stem for path in EXAMPLES] == sorted(WORDS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") < 60
    head = ast.get_docstring(ast.parse(text)) or ""
    assert "Shows " in head
    assert f"python examples/{path.name}" in head


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    words, said = WORDS[path.stem]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path), *words(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
