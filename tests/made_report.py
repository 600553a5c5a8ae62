"""Commands whose report is not drawn, for tests that look at neither its page nor its figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from nas_cifar10.report import write
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.gather import gather
from nas_cifar10.runs.folder import RunFolder


def _gathered(run: RunFolder, study: tuple[str, str] | None = None) -> tuple[Facts, dict[str, str]]:
    return replace(gather(run), study=study), {}


@contextmanager
def undrawn(command: object = "") -> Iterator[None]:
    """Let a command gather and tell its facts only: to draw them takes most of a tiny run's time.

    Args:
        command: Its first word; `report` is called for nothing else and draws.
    """
    with pytest.MonkeyPatch.context() as patch:
        if command != "report":
            patch.setattr(
                write, "report", lambda run, study: (replace(gather(run), study=study), {})
            )
        yield
