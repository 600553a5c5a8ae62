"""Every figure by name, and how they get into the run folder; knows no single figure's drawing."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from matplotlib.figure import Figure

from nas_cifar10 import interrupts
from nas_cifar10.report import (
    figures_data,
    figures_front,
    figures_model,
    figures_search,
    figures_space,
)
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.ink import own_style
from nas_cifar10.runs.files import remove, write_atomic

Draw: TypeAlias = Callable[[Facts], Figure | str]

FIGURES: dict[str, Draw] = {
    "class_distribution": figures_data.class_distribution,
    "samples": figures_data.samples,
    "optimization_history": figures_search.optimization_history,
    "intermediate_values": figures_search.intermediate_values,
    "importance": figures_search.importance,
    "parallel_coordinate": figures_space.parallel_coordinate,
    "slice": figures_space.slice_,
    "training_loss": figures_model.training_loss,
    "training_accuracy": figures_model.training_accuracy,
    "training_auc": figures_model.training_auc,
    "classification_report": figures_model.classification_report,
    "confusion_matrix": figures_model.confusion_matrix,
}

OF_SEVERAL_GOALS: dict[str, Draw] = {"pareto_front": figures_front.pareto_front}

_DOTS_AN_INCH = 150


@own_style()
def draw(facts: Facts, folder: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Write every figure that can be drawn as a PNG, and remove the old ones of the others.

    Returns:
        The figures as PNG, and why each of the others is left out, by name.

    Raises:
        CannotCreateError, StorageError: a file cannot be written or removed.
    """
    drawn, left_out = {}, {}
    for name, make in (FIGURES | (OF_SEVERAL_GOALS if facts.costs else {})).items():
        interrupts.check()
        path, figure = folder / f"{name}.png", make(facts)
        if isinstance(figure, str):
            left_out[name] = figure
            remove(path)
        else:
            drawn[name] = png(figure)
            write_atomic(path, drawn[name])
    return drawn, left_out


def png(figure: Figure) -> bytes:
    """Return a figure as the same bytes each time."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DOTS_AN_INCH, metadata={"Software": None})
    return content.getvalue()
