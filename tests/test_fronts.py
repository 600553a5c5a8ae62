"""Fronts: what a brute-force comparison of every pair says, whatever the points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_cifar10.fronts import dominates, fronts

NUMBERS = st.integers(0, 6).map(float)  # few values, so that many tie
POINTS = st.integers(2, 4).flatmap(
    lambda goals: st.lists(st.tuples(*[NUMBERS] * goals), max_size=25)
)


def beaten(point: tuple[float, ...], others: list[tuple[float, ...]]) -> bool:
    """Say whether some point is at least as good in every goal and better in one."""
    signed = [(-other[0], *other[1:]) for other in others]
    mine = (-point[0], *point[1:])
    return any(
        all(o <= m for o, m in zip(other, mine, strict=True))
        and any(o < m for o, m in zip(other, mine, strict=True))
        for other in signed
    )


@given(POINTS)
def test_each_front_is_what_brute_force_leaves_of_the_rest(points: list[tuple[float, ...]]) -> None:
    left = dict(enumerate(points))
    for front in fronts(dict(enumerate(points))):
        values = list(left.values())
        assert set(front) == {n for n, point in left.items() if not beaten(point, values)}
        left = {n: point for n, point in left.items() if n not in front}
    assert left == {}


@given(POINTS)
def test_a_front_begins_with_its_largest_first_value(points: list[tuple[float, ...]]) -> None:
    for front in fronts(dict(enumerate(points))):
        assert front == sorted(front, key=lambda n: (-points[n][0], *points[n][1:], n))


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [((2, 1), (1, 1), True), ((1, 1), (1, 1), False), ((2, 2), (1, 1), False)],
)
def test_to_dominate_is_to_be_nowhere_worse_and_somewhere_better(
    one: tuple[int, int], other: tuple[int, int], said: bool
) -> None:
    assert dominates(one, other) is said


def test_nothing_has_no_front() -> None:
    assert fronts({}) == []
