"""A run's report: its facts gathered, its figures and page drawn; the room's front door."""

from dataclasses import replace

from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures import draw
from nas_cifar10.report.gather import gather
from nas_cifar10.report.html import page
from nas_cifar10.runs.files import write_text
from nas_cifar10.runs.folder import RunFolder


def report(run: RunFolder, study: tuple[str, str] | None = None) -> tuple[Facts, dict[str, str]]:
    """Draw what a run found so far.

    Args:
        study: The database and the name of its study.

    Returns:
        The facts, and for each figure that is left out the reason.

    Raises:
        BadDataError: a file of the run is damaged.
        CannotCreateError, StorageError: a figure or the page cannot be written.
    """
    facts = replace(gather(run), study=study)
    drawn, left_out = draw(facts, run.figures)
    write_text(run.page, page(facts, drawn))
    return facts, left_out
