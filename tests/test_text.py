"""Numbers as a reader takes them in at a glance."""

import pytest

from nas_cifar10.text import three_digits


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
