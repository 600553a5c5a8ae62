"""How much memory a search takes, and each further worker: the peak over all its processes.

    python benchmarks/memory.py --root data/cifar --workers 1 2 3

Counts proportional set size (Linux): what processes share is divided among them. The search is that
of the default config on all pictures, with as many trials as given.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import NAS, describe_machine, write_result

EVERY_SECONDS = 0.2


def main() -> None:
    """Measure every number of workers, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data/cifar")
    parser.add_argument("--workers", nargs="+", default=["1", "2", "3"])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/memory.json"))
    given = parser.parse_args()
    peaks = {}
    for workers in given.workers:
        peaks[workers] = round(peak(given, workers) / 1e6)
        print(f"{workers} workers: {peaks[workers]:,} MB", flush=True)
    command = " ".join(["benchmarks/memory.py", *sys.argv[1:]])
    write_result(
        given.out,
        {"command": command, "data": "CIFAR-10 (JPEG)", "peak_mb": peaks, **describe_machine()},
    )


def peak(given: argparse.Namespace, workers: str) -> int:
    """Return the largest sum, in bytes, of a search and all it has started."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"data.root={given.root}", f"search.trials={given.trials}"]
        words += ["data.source=image_folder", f"search.workers={workers}", "training.threads=1"]
        words += [] if given.limit is None else [f"data.limit={given.limit}"]
        command = [
            NAS,
            "search",
            "--config",
            "configs/default.yaml",
            "-q",
            "--run",
            f"{folder}/run",
        ]
        command += [part for word in words for part in ("--set", word)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            largest = 0
            while process.poll() is None:
                largest = max(largest, sum(map(share_of, tree(process.pid))))
                time.sleep(EVERY_SECONDS)
        assert process.returncode == 0
    return largest


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(child for direct in below for child in tree(int(direct)))]


def share_of(pid: int) -> int:
    """Return the proportional set size of a process, in bytes; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
