"""Calibration, ROC and mistakes against slow loops and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, roc_auc_score

from nas_cifar10.report.evaluation import (
    NUM_BINS,
    calibration,
    roc_curves,
    surest_mistakes,
)
from nas_cifar10.report.parts import Predictions


def made(seed: int, num: int = 400, classes: int = 4) -> Predictions:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.5), num)
    labels = random.integers(0, classes, num)
    return Predictions(probabilities, labels, tuple("abcdefgh"[:classes]))


@given(st.integers(0, 1000))
def test_calibration_agrees_with_a_loop_over_bins(seed: int) -> None:
    found = made(seed)
    confidence, said = found.probabilities.max(axis=1), found.probabilities.argmax(axis=1)
    error, counts = 0.0, []
    for number in range(NUM_BINS):
        low, high = number / NUM_BINS, (number + 1) / NUM_BINS
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            right = (said == found.labels)[inside].mean()
            error += inside.mean() * abs(confidence[inside].mean() - right)
            counts.append(int(inside.sum()))
    computed = calibration(found)
    assert computed.error == pytest.approx(error)
    assert computed.counts.tolist() == counts


def test_an_honest_network_has_no_calibration_error() -> None:
    probabilities = np.tile([0.75, 0.25], (400, 1))
    labels = np.repeat([0, 1], [300, 100])
    assert calibration(Predictions(probabilities, labels, ("a", "b"))).error == pytest.approx(0)


def test_roc_curves_have_the_areas_of_scikit_learn() -> None:
    found = made(1)
    for label, (name, curve) in enumerate(roc_curves(found).items()):
        area = roc_auc_score(found.labels == label, found.probabilities[:, label])
        assert curve.area == pytest.approx(area)
        assert auc(curve.false_positives, curve.true_positives) == pytest.approx(area, abs=0.01)
        assert (curve.false_positives[0], curve.true_positives[-1]) == (0, 1), name


def test_a_class_that_does_not_occur_has_no_curve() -> None:
    found = made(2)
    without = Predictions(found.probabilities, np.minimum(found.labels, 2), found.class_names)
    assert list(roc_curves(without)) == ["a", "b", "c"]


def test_the_surest_mistakes_are_wrong_and_in_order() -> None:
    found = made(3)
    mistakes = surest_mistakes(found, 20)
    assert len(mistakes) == 20
    assert all(m.true != m.predicted and m.true == found.labels[m.row] for m in mistakes)
    confidences = [m.confidence for m in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    wrong = found.probabilities.argmax(axis=1) != found.labels
    assert confidences[0] == found.probabilities.max(axis=1)[wrong].max()
