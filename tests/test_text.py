"""Numbers as a reader takes them in at a glance."""

import pytest

from nas_cifar10.text import percent, rounded, three_digits


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
