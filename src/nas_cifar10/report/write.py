"""A run's report: its facts gathered, its figures drawn; the room's front door."""

from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures import draw
from nas_cifar10.report.gather import gather
from nas_cifar10.runs import RunFolder


def report(run: RunFolder) -> tuple[Facts, dict[str, str]]:
    """Draw what a run found so far.

    Returns:
        The facts, and for each figure that is left out the reason.

    Raises:
        BadDataError: a file of the run is damaged.
        CannotCreateError, StorageError: a figure cannot be written.
    """
    facts = gather(run)
    return facts, draw(facts, run.figures)
