"""The real command, stopped at any instant: the right exit code, soon, and resumable."""

import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from made_chaos import Tally, counts, nas, outcome, say_to
from made_report import undrawn
from made_search import timeless
from made_tiny import tiny_yaml
from nas_cifar10.runs.folder import RunFolder

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux which signals are caught"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]

TINY = tiny_yaml(
    name="tiny",
    training="epochs: 3, batch_size: 32",
    search="trials: 6, cohort: 3",
    retrain="epochs: 4",
)
NAS = [sys.executable, "-m", "nas_cifar10"]
RUN = ("run", "--config", "tiny.yaml", "--run", "out")
TAKEN: list[float] = []


def started(folder: Path, words: tuple[str, ...] = RUN) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(TINY)
    return subprocess.Popen(
        [*NAS, *words],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=600)
    return process.returncode, said


def went_on(folder: Path, words: tuple[str, ...], *, afresh: bool) -> tuple[int, str]:
    """Go on: in a new process, or, for a tenth of the time, in one that has all loaded.

    The latter draws nothing at its end, which takes most of the time and is compared by nothing.
    """
    if afresh:
        return ended(started(folder, words))

    def act() -> None:
        say_to(folder / "said")
        with undrawn():
            nas(folder, *words)

    code = outcome(act)
    return code, (folder / "said").read_text()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, float]:
    """Return a run that nobody stopped, and how many seconds it took."""
    folder, begun = tmp_path_factory.mktemp("straight"), time.monotonic()
    code, said = ended(started(folder))
    assert code == 0, said
    seconds = time.monotonic() - begun
    return RunFolder(folder / "out"), seconds


def wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    """Wait until Python has loaded our first module; before, the system's own answer holds."""
    mask = 1 << (signal.SIGTERM - 1)
    status, end = Path(f"/proc/{process.pid}/status"), time.monotonic() + 120
    while not int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16) & mask:
        assert time.monotonic() < end
        time.sleep(0.005)


def same(one: RunFolder, other: RunFolder) -> bool:
    weights = [torch.load(run.retrain.model, weights_only=True) for run in (one, other)]
    return (
        timeless(one.trials) == timeless(other.trials)
        and one.best.read_bytes() == other.best.read_bytes()
        and all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    )


@pytest.mark.parametrize("number", range(counts(short=4, full=200)))
def test_stopped_at_a_random_instant_it_says_how_to_go_on(
    straight: tuple[RunFolder, float],
    tmp_path: Path,
    tally: Tally,
    number: int,
) -> None:
    expected, seconds = straight
    generator, code, how = random.Random(number), 0, signal.SIGINT
    while code == 0:  # or else it was through before the signal came
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        how = generator.choice([signal.SIGINT, signal.SIGTERM])
        process = started(tmp_path)
        wait_until_it_listens(process)
        time.sleep(generator.uniform(0, seconds))
        begun = time.monotonic()
        process.send_signal(how)
        code, said = ended(process)
    taken = time.monotonic() - begun
    assert code == 128 + how, said
    assert "Traceback" not in said
    last = re.search(
        r"^stopped(; nothing was begun; the same command starts again"
        r"|; nothing is lost\. Go on with:\n  nas (?P<words>(run|report) .*))?\n\Z",
        said,
        re.M,
    )
    assert last is not None, said
    if last["words"] is not None:
        again: tuple[str, ...] = tuple(shlex.split(last["words"]))
    else:  # while its modules are loaded it prints the word alone
        again = RUN if "nothing was begun" in said else (*RUN, "--resume")
    code, said = went_on(tmp_path, again, afresh=number % 10 == 0)
    assert code == 0, said
    assert same(RunFolder(tmp_path / "out"), expected)
    tally(
        "commands stopped",
        at_random_instants=1,
        right_exit_codes=1,
        within_10_s=taken <= 10,
        finished_later=1,
        slowest_end=taken,
    )
    TAKEN.append(taken)


def test_nearly_all_of_them_ended_within_ten_seconds() -> None:
    assert TAKEN, "the tests that stop some come before"
    assert sum(seconds <= 10 for seconds in TAKEN) >= 0.99 * len(TAKEN)


def test_a_second_signal_ends_what_does_not_answer_the_first() -> None:
    code = (
        "from nas_cifar10 import interrupts\n"
        "interrupts.listen()\n"
        "print('listens', flush=True)\n"
        "while interrupts._received is None: pass\n"
        "print('noted', flush=True)\n"
        "while True: pass\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            for said in (b"listens\n", b"noted\n"):
                assert process.stdout.readline() == said
                process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == -signal.SIGTERM
        finally:
            process.kill()


def test_no_signal_is_lost_while_the_program_is_loaded(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from nas_cifar10 import interrupts\n"
        "interrupts.listen()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "from nas_cifar10.cli.app import app\n"
        "app(['data', '--config', 'tiny.yaml'])\n"
    )
    (tmp_path / "tiny.yaml").write_text(TINY.replace("digits", "image_folder"))
    (tmp_path / "data/train/a").mkdir(parents=True)
    (tmp_path / "data/train/b").mkdir(parents=True)
    for name in "ab":
        for number in range(9):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(
                tmp_path / f"data/train/{name}/{number}.png"
            )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "stopped\n"
