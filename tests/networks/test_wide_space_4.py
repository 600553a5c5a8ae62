"""Random candidates of the widest space, as in test_wide_space: the fourth of four parts."""

import pytest

from made_wide_space import PARTS, check


@pytest.mark.slow
@pytest.mark.parametrize("seed", PARTS[3])
def test_a_random_candidate_builds_learns_and_survives_json(seed: int) -> None:
    check(seed)
