"""What predictions are worth, against scikit-learn and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    log_loss,
    roc_auc_score,
)

from nas_cifar10.training import metrics
from nas_cifar10.training.metrics import Labels, Probabilities


def made(num: int, classes: int, seed: int = 0) -> tuple[Probabilities, Labels]:
    """Return float32 rows that nearly sum to one, and labels that lean towards them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(num, classes))
    labels = (logits + generator.normal(size=logits.shape)).argmax(1)
    labels[:classes] = np.arange(classes)
    exponents = np.exp(logits)
    return (exponents / exponents.sum(1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    # For none of n the upper end is z^2 / (n + z^2).
    [(8, 10, 0.490162, 0.943318), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0)],
)
def test_wilson_interval_has_its_known_values(
    right: int, total: int, low: float, high: float
) -> None:
    assert metrics.wilson_interval(right, total) == pytest.approx([low, high], abs=2e-6)


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_interval_solves_its_equation(total: int, share: float) -> None:
    right = round(share * total)
    low, high = metrics.wilson_interval(right, total)
    found, z = right / total, 1.959963984540054
    assert 0 <= low <= found <= high <= 1
    for end in (low, high):
        assert (end - found) ** 2 == pytest.approx(z * z * end * (1 - end) / total, abs=1e-9)


@pytest.mark.parametrize("classes", [3, 10])
def test_auc_is_scikit_learns_where_every_class_occurs(classes: int) -> None:
    probabilities, labels = made(200, classes)
    expected = roc_auc_score(
        labels, metrics.renormalised(probabilities), multi_class="ovr", average="macro"
    )
    assert metrics.macro_auc(probabilities, labels) == pytest.approx(expected, abs=1e-12)


def test_auc_of_two_classes_is_the_plain_one() -> None:
    probabilities, labels = made(100, 2)
    expected = roc_auc_score(labels, metrics.renormalised(probabilities)[:, 1])
    assert metrics.macro_auc(probabilities, labels) == pytest.approx(expected, abs=1e-12)


def test_auc_leaves_out_a_class_that_does_not_occur() -> None:
    probabilities, labels = made(200, 4)
    kept = labels != 2
    doubles = metrics.renormalised(probabilities[kept])
    areas = [roc_auc_score(labels[kept] == label, doubles[:, label]) for label in (0, 1, 3)]
    found = metrics.macro_auc(probabilities[kept], labels[kept])
    assert found == pytest.approx(np.mean(areas), abs=1e-12)


def test_auc_of_one_class_is_none() -> None:
    probabilities, labels = made(20, 3)
    assert metrics.macro_auc(probabilities, np.zeros_like(labels)) is None


def test_the_summary_is_scikit_learns() -> None:
    probabilities, labels = made(300, 5)
    found = metrics.summary(probabilities, labels, majority=2)
    report = classification_report(labels, probabilities.argmax(1), output_dict=True)
    assert found["accuracy"] == accuracy_score(labels, probabilities.argmax(1))
    assert found["accuracy_ci95"] == metrics.wilson_interval(round(found["accuracy"] * 300), 300)
    assert found["majority_accuracy"] == (labels == 2).mean()
    for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert found[f"macro_{ours}"] == pytest.approx(report["macro avg"][theirs], abs=1e-12)
    rows = np.log(metrics.renormalised(probabilities)[np.arange(300), labels])
    assert found["loss"] == pytest.approx(-rows.mean(), abs=1e-12)


def test_a_sure_mistake_costs_what_it_costs_in_scikit_learn() -> None:
    """The history, which knows the logits, may say more."""
    logits = torch.tensor([[0.0, 60.0], [3.0, 0.0], [0.0, 500.0]])
    labels, shares = np.array([0, 0, 0]), logits.softmax(1).numpy()
    told = log_loss(labels, metrics.renormalised(shares), labels=[0, 1])
    assert metrics.loss(shares, labels) == pytest.approx(told, abs=1e-12)
    assert metrics.loss(shares[2:], labels[2:]) == pytest.approx(52 * np.log(2))


def test_the_table_of_classes_is_scikit_learns() -> None:
    probabilities, labels = made(300, 3)
    names = ("cat", "dog", "emu")
    report = classification_report(
        labels, probabilities.argmax(1), target_names=names, output_dict=True
    )
    found = metrics.per_class(probabilities, labels, names)
    assert tuple(found) == names
    for name in names:
        assert found[name] == {
            "precision": report[name]["precision"],
            "recall": report[name]["recall"],
            "f1": report[name]["f1-score"],
            "support": report[name]["support"],
        }
        assert isinstance(found[name]["support"], int)


def test_the_confusion_matrix_is_scikit_learns() -> None:
    probabilities, labels = made(300, 4)
    expected = confusion_matrix(labels, probabilities.argmax(1))
    assert metrics.confusion(probabilities, labels) == expected.tolist()


def test_f1_is_scikit_learns() -> None:
    probabilities, labels = made(300, 4)
    predicted = probabilities.argmax(1)
    expected = f1_score(labels, predicted, average="macro")
    assert metrics.macro_f1(predicted, labels, 4) == pytest.approx(expected, abs=1e-12)


def test_a_class_never_seen_and_never_predicted_counts_zero_and_warns_of_nothing() -> None:
    probabilities, labels = made(60, 3)
    probabilities = np.concatenate([probabilities, np.zeros((60, 1), np.float32)], axis=1)
    three = metrics.macro_f1(probabilities[:, :3].argmax(1), labels, 3)
    assert metrics.macro_f1(probabilities.argmax(1), labels, 4) == pytest.approx(three * 3 / 4)
    found = metrics.summary(probabilities, labels, majority=0)
    assert found["macro_f1"] == pytest.approx(three * 3 / 4)
    assert metrics.per_class(probabilities, labels, "abcd")["d"]["support"] == 0
    assert [row[3] for row in metrics.confusion(probabilities, labels)] == [0, 0, 0, 0]


def test_renormalised_rows_sum_to_one() -> None:
    probabilities, _ = made(500, 10)
    assert np.abs(metrics.renormalised(probabilities).sum(1) - 1).max() < 1e-15
