"""How the learning rate runs over a whole training; knows no optimizer and no epoch.

Each shape is a pure function of (step, total steps): wherever a training is cut or stopped early,
a step has the rate that it would have had.
"""

import math
from collections.abc import Callable


def constant(step: int, total: int) -> float:
    """Return 1."""
    return 1.0


def cosine(step: int, total: int) -> float:
    """Return half a cosine wave from 1 down, to 0 after the last step (arXiv 1608.03983)."""
    return (1 + math.cos(math.pi * step / total)) / 2


def triangular(step: int, total: int) -> float:
    """Return a line from 0.2 up to 1, at 23 % of all steps, then one down to 0.07 (2404.00498)."""
    done = step / total
    return 0.2 + 0.8 * done / 0.23 if done < 0.23 else 1 - 0.93 * (done - 0.23) / 0.77


def one_cycle(step: int, total: int) -> float:
    """Return half a cosine wave from 0.04 up to 1, at 30 %, then one down to 0.000004 (1708.07120).

    The places of torch's own OneCycleLR: the last step of a part is its end.
    """
    top, end = 0.3 * total - 1, total - 1
    if step <= top:
        return _wave(0.04, 1.0, step / top)
    return _wave(1.0, 4e-6, (step - top) / (end - top))


def _wave(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


RATES: dict[str, Callable[[int, int], float]] = {
    "constant": constant,
    "cosine": cosine,
    "triangular": triangular,
    "one_cycle": one_cycle,
}
