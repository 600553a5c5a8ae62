"""What a search shows on a terminal while it runs, and in a pipe."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from made_study import ask, finish, made_config, made_study
from made_terminal import read_until, shown
from made_tiny import tiny_yaml
from nas_cifar10.cli.output import Screen
from nas_cifar10.cli.progress import RetrainProgress
from nas_cifar10.config.retrain import RetrainConfig
from nas_cifar10.runs.files import read_csv
from nas_cifar10.runs.folder import RunFolder

JSON = "--json"  # or else the search ends with drawing its report, which takes seconds
TINY = tiny_yaml(
    training="epochs: 30, batch_size: 8",
    search="trials: 4, cohort: 4, workers: 2, schedule: {name: none}",
)


WARNED = """
import logging, time
from nas_cifar10.cli.logs import on_screen
from nas_cifar10.cli.output import Screen
with on_screen(0), Screen(quiet=False, status=lambda: ["worker 1"]) as screen:
    screen.move("moving")
    time.sleep(0.6)
    logging.getLogger("nas_cifar10.search").warning("a worker died")
    time.sleep(0.6)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "tiny.yaml").write_text(TINY)
    nas = str(Path(sys.executable).parent / "nas")
    return [nas, "search", "--config", str(tmp_path / "tiny.yaml"), "--run", str(tmp_path / "run")]


def test_a_terminal_shows_the_time_left_the_best_and_what_each_worker_does(
    command: list[str],
) -> None:
    ours, theirs = pty.openpty()
    search = subprocess.Popen([*command, JSON], stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = read_until(ours, b"worker 2: trial", seconds=600)
    seen += read_until(ours, None, seconds=600)
    assert search.wait(timeout=60) == 0
    for text in (b"worker 1: trial ", b", epoch ", b"left", b"  best 0.", b": complete"):
        assert text in seen, text


def test_a_warning_stays_above_the_lines_that_move() -> None:
    ours, theirs = pty.openpty()
    warned = subprocess.Popen([sys.executable, "-c", WARNED], stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = read_until(ours, None, seconds=600).decode()
    assert warned.wait(timeout=60) == 0
    assert "moving" in seen
    assert shown(seen) == ["a worker died"]


def test_a_pipe_gets_plain_lines_and_no_animation(command: list[str]) -> None:
    words = [*command, JSON, "--set", "training.epochs=2"]
    done = subprocess.run(words, capture_output=True, check=True)
    assert b"\x1b" not in done.stderr
    lines = done.stderr.decode().splitlines()
    assert sum(": complete" in line for line in lines) == 4
    assert not any("worker 1" in line for line in lines)
    assert "reading the pictures of digits" in lines
    ends = [line for line in lines if ": complete" in line]
    assert [f"{num} of 4 ended" in line for num, line in enumerate(ends, start=1)] == [True] * 4


def test_the_best_is_the_best_by_what_is_searched_for(command: list[str]) -> None:
    words = [JSON, "--set", "training.epochs=2", "--set", "search.objective=macro_f1"]
    done = subprocess.run([*command, *words], capture_output=True, check=True)
    run = RunFolder(Path(command[-1]))
    best = max(float(row["validation_macro_f1"]) for row in read_csv(run.trials))
    ends = [line for line in done.stderr.decode().splitlines() if ": complete" in line]
    assert f"best {best:.4f} " in ends[-1]


def test_a_retrain_of_several_seeds_says_which_and_counts_all_that_is_left(
    command: list[str],
) -> None:
    few = ["training.epochs=1", "search.trials=1", "retrain.epochs=2", "retrain.seeds=2"]
    sets = [word for key in few for word in ("--set", key)]
    done = subprocess.run([command[0], "run", *command[2:], *sets], capture_output=True, check=True)
    told = [line for line in done.stderr.decode().splitlines() if line.startswith("seed ")]
    heads = ["seed 1/2, epoch 1/2", "seed 1/2, epoch 2/2", "seed 2/2, epoch 1/2"]
    assert [line.partition(":")[0] for line in told] == [*heads, "seed 2/2, epoch 2/2"]
    assert ["left" in line for line in told] == [True, True, True, False]


def test_a_retrain_of_several_trials_counts_those_to_come(tmp_path: Path) -> None:
    study = made_study(tmp_path / "study.db", made_config())
    trial = finish(study, ask(study))
    settings = RetrainConfig(epochs=4, seeds=2)
    progress = RetrainProgress(Screen(quiet=True), settings, trials=3)
    for left in (16, 8, 0):
        progress.show(trial, 0, None)
        progress.show(trial, 1, trial.epochs[0])
        assert progress.pace.left == 3 + left
