"""Numbers as a reader takes them in at a glance."""

import pytest

from nas_cifar10.text import about, duration, percent, rounded, short, three_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0011312, "0.00113"),
        (0.0, "0"),
        (5, "5"),
        (128, "128"),
        (999.4, "999"),
        (999.6, "1,000"),
        (1024, "1,024"),
        (1_234_567.8, "1,234,568"),
    ],
)
def test_three_digits_count_and_none_is_a_power_of_ten(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_rounding_claims_nothing_perfect() -> None:
    values = (0.72345, 0.9999, 1.0, 0.0001, 0.0)
    assert [rounded(v) for v in values] == ["0.723", "> 0.999", "1.000", "< 0.001", "0.000"]
    shares = (0.72345, 0.99996, 1.0, 0.00004, 0.0)
    assert [percent(v) for v in shares] == ["72.3 %", "> 99.9 %", "100.0 %", "< 0.1 %", "0.0 %"]
    assert percent(49_998 / 50_000, 2) == "> 99.99 %"
    assert percent(2 / 50_000, 2) == "< 0.01 %"
    assert percent(0.96, 2) == "96.00 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (312.4, "5 min 12 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_times_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89.4, "89 s"), (90, "2 min"), (600, "10 min"), (36_000, "10 h 00 min")],
)
def test_times_that_change_while_they_are_read_have_no_odd_seconds(
    seconds: float, text: str
) -> None:
    assert about(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((999, "999"), (1000, "1 k"), (999_499, "999 k"), (999_500, "1 M")),
        *((19_440_000, "19.4 M"), (2_500_000_000, "2.5 G")),
    ],
)
def test_large_counts_are_short(count: int, text: str) -> None:
    assert short(count) == text
