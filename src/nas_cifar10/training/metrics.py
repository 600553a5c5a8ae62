"""What predictions are worth, from accuracy to confusion matrix; knows no network.

scikit-learn computes what is reported in the end. It is imported where that happens: a second and
60 MB in every worker, for F1 alone, which is counted here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_Z95 = 1.959963984540054  # the 97.5 % point of the standard normal distribution


def wilson_interval(right: int, total: int) -> list[float]:
    """Return the 95 % interval of a share (Wilson, JASA 22, 1927): it never leaves [0, 1]."""
    share, z2 = right / total, _Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return [max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))]


def renormalised(probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Return float64 rows that sum to one, as float32 rows do not quite."""
    doubles = probabilities.astype(np.float64)
    return np.asarray(doubles / doubles.sum(axis=1, keepdims=True))


def macro_auc(probabilities: Probabilities, labels: Labels) -> float | None:
    """Return the mean one-vs-rest area under the ROC curve over the classes that occur.

    None where fewer than two classes occur: there is nothing to tell apart.
    """
    present = np.unique(labels)
    if len(present) < 2:
        return None
    from sklearn.metrics import roc_auc_score

    doubles = renormalised(probabilities)
    areas = [roc_auc_score(labels == label, doubles[:, label]) for label in present]
    return float(np.mean(areas))


def macro_f1(predicted: Labels, labels: Labels, num_classes: int) -> float:
    """Return the mean F1 over all classes; a class never predicted and never true counts 0."""
    told, true = (np.bincount(some, minlength=num_classes) for some in (predicted, labels))
    both = np.bincount(labels[predicted == labels], minlength=num_classes)
    return float(np.mean(2 * both / np.maximum(told + true, 1)))


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean and sample standard deviation of two values or more, and the values."""
    return {
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)),
        "values": list(values),
    }


def over_seeds(tables: Sequence[Mapping[str, Any]], part: str | None) -> dict[str, Any]:
    """Return how much the metrics of several seeds differ, on the measured part and on train."""
    return {"n": len(tables), "part": part} | {
        f"{name}_{score}": spread([table[name][score] for table in tables])
        for name in (part, "train", "test_views")
        if name is not None and name in tables[0]
        for score in ("accuracy", "loss")
    }


def summary(probabilities: Probabilities, labels: Labels, majority: int) -> dict[str, Any]:
    """Return one part's numbers, as they stand in metrics.json.

    Args:
        probabilities: (N, classes).
        labels: (N,).
        majority: The most frequent training class: always answering it is the least to beat.
    """
    from sklearn.metrics import precision_recall_fscore_support

    predicted = probabilities.argmax(axis=1)
    right, num_classes = int((predicted == labels).sum()), probabilities.shape[1]
    table = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(num_classes), average="macro", zero_division=0
    )
    return {
        "accuracy": right / len(labels),
        "accuracy_ci95": wilson_interval(right, len(labels)),
        "majority_accuracy": float((labels == majority).mean()),
        "loss": loss(probabilities, labels),
        "macro_precision": float(table[0]),
        "macro_recall": float(table[1]),
        "macro_f1": float(table[2]),
        "auc_ovr_macro": macro_auc(probabilities, labels),
    }


def loss(probabilities: Probabilities, labels: Labels) -> float:
    """Return the mean cross-entropy in nats, scikit-learn's: no picture costs more than 36."""
    from sklearn.metrics import log_loss

    classes = np.arange(probabilities.shape[1])
    return float(log_loss(labels, renormalised(probabilities), labels=classes))


def per_class(
    probabilities: Probabilities, labels: Labels, class_names: Sequence[str]
) -> dict[str, dict[str, float | int]]:
    """Return precision, recall, F1 and support of each class."""
    from sklearn.metrics import precision_recall_fscore_support

    table = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=np.arange(len(class_names)), zero_division=0
    )
    rows = zip(*(column.tolist() for column in table), strict=True)
    keys = ("precision", "recall", "f1", "support")
    return {n: dict(zip(keys, row, strict=True)) for n, row in zip(class_names, rows, strict=True)}


def confusion(probabilities: Probabilities, labels: Labels) -> list[list[int]]:
    """Return counts: one row a true class, one column a predicted class."""
    from sklearn.metrics import confusion_matrix

    classes = np.arange(probabilities.shape[1])
    counts = confusion_matrix(labels, probabilities.argmax(axis=1), labels=classes)
    return [[int(count) for count in row] for row in counts]
