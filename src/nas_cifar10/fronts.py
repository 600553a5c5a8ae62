"""Which of several points no other beats, where goals differ; knows no trial and no unit."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Point: TypeAlias = Sequence[float]  # first what is to be large, then what is to be small


def dominates(one: Point, other: Point) -> bool:
    """Say whether a point is nowhere worse than another, and somewhere better."""
    no_worse = one[0] >= other[0] and all(a <= b for a, b in zip(one[1:], other[1:], strict=True))
    return no_worse and tuple(one) != tuple(other)


def fronts(points: Mapping[int, Point]) -> list[list[int]]:
    """Sort points into fronts: what no other dominates, then what only those do, and so on.

    Returns:
        Keys. In a front, the largest first value comes first; of equals, what is smaller
        elsewhere, then the lower key. Equal points share a front.
    """
    left = sorted(points, key=lambda n: (-points[n][0], *points[n][1:], n))
    found = []
    while left:
        front: list[int] = []
        # Whatever dominates a point comes before it, and so does one of the front that does.
        for number in left:
            if not any(dominates(points[better], points[number]) for better in front):
                front.append(number)
        found.append(front)
        inside = set(front)
        left = [number for number in left if number not in inside]
    return found
