"""Places where a test lets the process crash; without NAS_CRASH_AT nothing happens.

`NAS_CRASH_AT=name:n` kills the process the n-th time it comes to the place `name`; `name:n:raise`
raises an exception there, `name:n:enospc` says that the disk is full.
"""

import errno
import os
import signal
from collections import Counter

POINTS = {
    "write.begun": "a temporary file is there, and empty",
    "write.complete": "it is complete, and does not bear its name yet",
    "write.named": "it bears its name",
    "study.made": "a new study is complete, and its file does not bear its name yet",
    "run.described": "the run's first files are written",
    "trial.drawn": "a trial is drawn, and not stored",
    "trial.stored": "it is stored, and no checkpoint of it exists",
    "epochs.reported": "an epoch's value is reported, and the epoch not stored",
    "epochs.stored": "it is stored",
    "checkpoint.written": "a checkpoint is written, and its epoch not stored",
    "outcome.stored": "a trial's outcome is stored, and the trial not told",
    "trial.told": "it is told, and its checkpoint still there",
    "retrain.checkpoint": "a retrain's checkpoint is written, and not its history",
    "retrain.model": "the model is written, and not measured",
}

_passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Crash here if the environment says so."""
    assert name in POINTS
    wanted = os.environ.get("NAS_CRASH_AT")
    if wanted is None:
        return
    place, number, how = (*wanted.split(":"), "kill")[:3]
    if place != name:
        return
    _passed[name] += 1
    if _passed[name] != int(number):
        return
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise RuntimeError(f"crash point {name}")
