"""Every benchmark runs to its end on little work; what it measures then means nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from made_links import some_of_cifar10

ROOT = Path(__file__).parents[1]
NOT_HERE = {
    "measuring",  # what the others share
    "ablation",  # sixteen whole searches, however little there is to learn
    "compare",  # six of them
    "report",  # needs a browser
}
PRINTING = {"plain_script", "throughput"}  # what they found, and keep no file of it
ALONE = {
    "driver_cost": "--sizes 3 --more 2",
    "replay": "--studies 3 --trials 5",
    "scale": "--workers 2 --cohort 2 --cohorts 1 --epochs 2 --repeats 1",
}
LINUX = {"driver_cost", "scale"}  # which counts for how long a thread waited for a core
ON_CIFAR10 = {
    "curves": "--networks 2 --limit 200 --validation 100 --workers 2",
    "memory": "--workers 1 --trials 1 --limit 200",
    "plain_script": "--trials 1 --limit 200 --validation 100 --retrain 1",
    "throughput": "--plain --pictures 200",  # bf16 takes minutes where it is not native
    "transfer": "--source-pictures 10 --source-epochs 1 --pictures 4 --test-pictures 4 --epochs 1 "
    "--seeds 1 --variants start_from --folder {folder}",
}


def run(name: str, *words: str) -> None:
    command = [sys.executable, str(ROOT / f"benchmarks/{name}.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_every_benchmark_is_known_here() -> None:
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert names == ALONE.keys() | ON_CIFAR10.keys() | NOT_HERE


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_a_benchmark_runs(name: str, tmp_path: Path) -> None:
    if name in LINUX and sys.platform != "linux":
        pytest.skip(f"{name} reads /proc, which only Linux has")
    out = tmp_path / "out"
    run(name, *ALONE[name].split(), "--out", str(out))
    assert out.is_file()


@pytest.mark.cifar
@pytest.mark.slow
@pytest.mark.parametrize("name", ON_CIFAR10)
def test_a_benchmark_runs_on_a_little_of_cifar10(name: str, tmp_path: Path) -> None:
    some_of_cifar10(tmp_path / "cifar", train=30, test=6)
    out = () if name in PRINTING else ("--out", str(tmp_path / "out"))
    words = ON_CIFAR10[name].format(folder=tmp_path / "folder")
    run(name, "--root", str(tmp_path / "cifar"), *words.split(), *out)
