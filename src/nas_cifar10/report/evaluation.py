"""What predictions say beyond metrics.json: calibration, ROC curves, mistakes; draws nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score, roc_curve

from nas_cifar10.report.parts import (
    Numbers,
    Predictions,
)

Rows: TypeAlias = npt.NDArray[np.int64]

NUM_BINS = 15
_MOST_POINTS = 100  # of a ROC curve; more cannot be seen


@dataclass(frozen=True)
class Calibration:
    """How often answers given with some confidence are right.

    Args:
        confidence, accuracy: (bins,), the mean of each bin's pictures; an empty bin is left out.
        counts: (bins,) pictures.
        error: Expected calibration error: the mean distance of the two, weighted by the counts
            (Naeini, Cooper and Hauskrecht, AAAI 2015).
    """

    confidence: Numbers
    accuracy: Numbers
    counts: Rows
    error: float


def calibration(found: Predictions) -> Calibration:
    """Sort the pictures into `NUM_BINS` bins of equal width by the confidence of the answer."""
    confidence = found.probabilities.max(axis=1)
    right = found.probabilities.argmax(axis=1) == found.labels
    bins = np.clip(np.ceil(confidence * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS)
    filled = counts > 0
    means, shares = (
        np.bincount(bins, weights=values, minlength=NUM_BINS)[filled] / counts[filled]
        for values in (confidence, right.astype(np.float64))
    )
    error = float((abs(means - shares) * counts[filled]).sum() / counts.sum())
    return Calibration(means, shares, counts[filled], error)


@dataclass(frozen=True)
class Roc:
    """One class against the rest: how many false alarms each share of hits costs.

    Args:
        false_positives, true_positives: (points,) shares, from 0 to 1.
    """

    false_positives: Numbers
    true_positives: Numbers
    area: float


def roc_curves(found: Predictions) -> Mapping[str, Roc]:
    """Return the curve of each class that some, but not all, of the pictures belong to."""
    curves = {}
    for label, name in enumerate(found.class_names):
        true = found.labels == label
        if true.any() and not true.all():
            scores = found.probabilities[:, label]
            false, hits, _ = roc_curve(true, scores)
            kept = np.unique(np.linspace(0, len(false) - 1, _MOST_POINTS).round().astype(int))
            area = float(roc_auc_score(true, scores))
            curves[name] = Roc(false[kept], hits[kept], area)
    return curves


@dataclass(frozen=True)
class Answer:
    """What the network said of one picture.

    Args:
        row: Which measured picture.
        true, predicted: Positions in the class names.
        confidence: The probability of the predicted class.
    """

    row: int
    true: int
    predicted: int
    confidence: float


def answers(found: Predictions, rows: Rows) -> list[Answer]:
    """Return the answers to these pictures, in their order."""
    said = found.probabilities[rows]
    return [
        Answer(int(row), int(found.labels[row]), int(each.argmax()), float(each.max()))
        for row, each in zip(rows, said, strict=True)
    ]


def surest_mistakes(found: Predictions, most: int) -> list[Answer]:
    """Return the wrong answers given with the most confidence, the surest first."""
    order = np.argsort(-found.probabilities.max(axis=1), kind="stable")
    wrong = found.probabilities.argmax(axis=1) != found.labels
    return answers(found, order[wrong[order]][:most])
