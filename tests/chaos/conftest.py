"""What the chaos tests did, added up over all their cases and told in a line each at the end."""

from collections import Counter

import pytest

from made_chaos import FULL, Tally

_COUNTS: dict[str, Counter[str]] = {}
_MOST: dict[str, dict[str, float]] = {}


@pytest.fixture
def tally() -> Tally:
    """Return what adds numbers to a subject's sums; a float is a largest value instead."""

    def add(subject: str, **numbers: int | float) -> None:
        counts, most = _COUNTS.setdefault(subject, Counter()), _MOST.setdefault(subject, {})
        for name, number in numbers.items():
            if isinstance(number, float):
                most[name] = max(number, most.get(name, number))
            else:
                counts[name] += number

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell it."""
    if _COUNTS:
        terminalreporter.section("full tier" if FULL else "short tier")
    for subject, counts in _COUNTS.items():
        told = [f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items()]
        told += [f"{name.replace('_', ' ')} {most:.2f}" for name, most in _MOST[subject].items()]
        terminalreporter.write_line(f"{subject}: {', '.join(told)}")
