"""Commands whose report is not drawn, for tests that look at neither its page nor its figures."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nas_cifar10.report import write
from nas_cifar10.report.gather import gather


@contextmanager
def undrawn(command: object = "") -> Iterator[None]:
    """Let a command gather and tell its facts only: to draw them takes most of a tiny run's time.

    Args:
        command: Its first word; `report` is called for nothing else and draws.
    """
    with pytest.MonkeyPatch.context() as patch:
        if command != "report":
            patch.setattr(write, "report", lambda run, study: (gather(run), {}))
        yield
