"""Splits are disjoint, complete, stratified, and the same for the same seed."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data.pictures import Pictures
from nas_cifar10.data.split import DataSet, divide, shares
from nas_cifar10.errors import BadDataError, ConfigError, NasError

NAMES = tuple("abcdefghij")


def made_up(pool: list[int], test: tuple[int, ...] = ()) -> Pictures:
    """So many pictures a class, in no order; each shows its own row number."""
    generator = np.random.default_rng(0)
    labels = np.concatenate(
        [generator.permutation(np.repeat(range(len(c)), c)) for c in (pool, test)]
    ).astype(np.int64)
    images = torch.arange(len(labels), dtype=torch.int32).view(torch.uint8).reshape(-1, 1, 2, 2)
    return Pictures(images, torch.from_numpy(labels), NAMES[: len(pool)], sum(pool))


def config(**values: object) -> DataConfig:
    return DataConfig.model_validate({"source": "digits", **values})


def sizes(data: DataSet) -> tuple[int, int, int]:
    return len(data.split.train), len(data.split.validation), len(data.split.test)


def by_class(data: DataSet, part: torch.Tensor) -> list[int]:
    found = Counter(data.labels[part].tolist())
    return [found[label] for label in range(len(data.class_names))]


def test_cifar10_is_divided_into_45000_5000_and_10000_with_equal_classes() -> None:
    pictures = made_up([5000] * 10, (1000,) * 10)
    data = divide(pictures, config(), seed=0)
    assert sizes(data) == (45_000, 5_000, 10_000)
    assert by_class(data, data.split.validation) == [500] * 10
    assert data.split.test.tolist() == list(range(50_000, 60_000))
    assert data.images is pictures.images


@given(
    pool=st.lists(st.integers(3, 60), min_size=2, max_size=6),
    validation=st.floats(0.01, 0.6) | st.integers(1, 20),
    test=st.floats(0.01, 0.4) | st.integers(1, 20),
    own_test=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@example(pool=[3, 10], validation=1, test=9, own_test=False, seed=0)
@example(pool=[3, 10], validation=11, test=1, own_test=True, seed=0)
def test_parts_are_disjoint_complete_stratified_and_repeatable(
    pool: list[int], validation: float, test: float, own_test: bool, seed: int
) -> None:
    pictures = made_up(pool, tuple(pool) if own_test else ())
    asked = config(validation_images=validation, test_images=test)
    try:
        data = divide(pictures, asked, seed)
    except ConfigError:
        assume(False)
    split = data.split
    rows = torch.cat([split.train, split.validation, split.test])
    assert sorted(rows.tolist()) == list(range(len(pictures.labels)))
    for part in (split.train, split.validation, split.test):
        assert part.dtype == torch.int64
        assert part.tolist() == sorted(part.tolist())
    train = by_class(data, split.train)
    assert min(train) >= 1
    left = [a + b for a, b in zip(train, by_class(data, split.validation), strict=True)]
    check_even(by_class(data, split.validation), left, keep=1)
    if not own_test:
        check_even(by_class(data, split.test), pool, keep=2)
    again = divide(pictures, asked, seed).split
    assert torch.equal(again.train, split.train)
    assert torch.equal(again.test, split.test)


def check_even(counts: list[int], whole: list[int], keep: int) -> None:
    """Within 1 of the exact share, but where a class had nothing more to give; so many it keeps."""
    assert all(c <= w - keep for c, w in zip(counts, whole, strict=True))
    given_up = [c == w - keep for c, w in zip(counts, whole, strict=True)]
    exact = [sum(counts) * w / sum(whole) for w in whole]
    if not any(given_up):
        assert all(abs(c - e) < 1 for c, e in zip(counts, exact, strict=True))


def test_another_seed_gives_another_split() -> None:
    pictures = made_up([50, 50])
    first, second = divide(pictures, config(), 0).split, divide(pictures, config(), 1).split
    assert not torch.equal(first.test, second.test)
    assert not torch.equal(first.validation, second.validation)


def test_the_number_of_validation_pictures_leaves_the_test_set_as_it_was() -> None:
    pictures = made_up([50, 70])
    few = divide(pictures, config(validation_images=5), 0).split
    many = divide(pictures, config(validation_images=30), 0).split
    assert torch.equal(few.test, many.test)
    assert set(few.validation.tolist()) < set(many.validation.tolist())


def test_the_split_depends_on_labels_only() -> None:
    pictures = made_up([50, 70])
    others = Pictures(pictures.images + 1, pictures.labels, NAMES[:2], 120)
    assert torch.equal(
        divide(pictures, config(), 0).split.test, divide(others, config(), 0).split.test
    )


def test_a_count_is_met_exactly_and_a_fraction_is_rounded() -> None:
    pictures = made_up([33, 33, 34])
    assert sizes(divide(pictures, config(test_images=7, validation_images=11), 0)) == (82, 11, 7)
    data = divide(pictures, config(test_images=0.105, validation_images=0.1), 0)
    assert sizes(data) == (80, 9, 11)  # 10.5 is 11, and 8.9 is 9
    tiny = divide(pictures, config(test_images=0.0001, validation_images=0.0001), 0)
    assert sizes(tiny) == (98, 1, 1)


def test_test_images_are_not_used_where_the_source_has_its_own_test_set() -> None:
    data = divide(made_up([20, 20], (9, 4)), config(test_images=1000), 0)
    assert sizes(data) == (36, 4, 13)


def test_the_limit_keeps_chosen_rows_only_and_caps_test_in_proportion() -> None:
    pictures = made_up([500, 300, 200], (50, 30, 20))
    data = divide(pictures, config(limit=100), 0)
    assert sizes(data) == (90, 10, 10)
    assert by_class(data, data.split.test) == [5, 3, 2]
    assert len(data.images) == len(data.labels) == 110
    original = data.images.reshape(-1, 4).view(torch.int32).flatten().long()
    assert torch.equal(pictures.labels[original], data.labels)
    assert (original[data.split.test] >= 1000).all()
    assert (original[data.split.train] < 1000).all()


def test_the_limit_also_caps_a_test_set_that_was_split_off() -> None:
    data = divide(made_up([600, 600]), config(test_images=200, limit=100), 0)
    assert sizes(data) == (90, 10, 20)


def test_a_count_of_validation_pictures_does_not_shrink_with_the_limit() -> None:
    data = divide(made_up([600, 600], (10, 10)), config(validation_images=50, limit=100), 0)
    assert sizes(data) == (50, 50, 2)


def test_a_small_limit_leaves_every_class_in_train_and_test() -> None:
    data = divide(made_up([900, 90, 10], (100, 10, 0)), config(limit=20), 0)
    assert min(by_class(data, data.split.train)) >= 1
    assert by_class(data, data.split.test) == [1, 1, 0]


def test_a_class_keeps_two_pictures_for_train_and_validation() -> None:
    data = divide(made_up([60, 3]), config(test_images=59), 0)
    assert by_class(data, data.split.test) == [58, 1]


def test_a_limit_leaves_no_class_out_of_what_is_learnt_from() -> None:
    pictures = made_up([100, 2, 2, 2], (10, 1, 1, 1))
    data = divide(pictures, config(limit=5, validation_images=1), 0)
    assert min(by_class(data, data.split.train)) == 1


def test_the_share_of_a_limited_test_set_is_rounded() -> None:
    data = divide(made_up([500, 500], (15, 10)), config(limit=100), 0)
    assert len(data.split.test) == 3, "a tenth of 25"


@pytest.mark.parametrize("limit", [1000, 1001, 10**9])
def test_a_limit_no_smaller_than_the_pool_changes_nothing(limit: int) -> None:
    pictures = made_up([500, 500], (10, 10))
    data = divide(pictures, config(limit=limit), 0)
    assert sizes(data) == (900, 100, 20)
    assert data.images is pictures.images


def test_a_class_that_would_get_nothing_is_served_before_larger_remainders() -> None:
    zero, most = np.zeros(3, np.int64), np.array([97, 2, 1])
    assert shares(10, most, zero, most).tolist() == [9, 1, 0]


def test_what_was_left_out_is_counted() -> None:
    rows = made_up([10, 10])
    pictures = Pictures(rows.images, rows.labels, NAMES[:2], 20, ("a.png: is empty",), 3)
    data = divide(pictures, config(), 0)
    assert (data.num_skipped, data.num_ignored) == (1, 3)


@pytest.mark.parametrize(
    ("pool", "test", "values", "error", "words"),
    [
        ([9, 9], (), {"test_images": 15}, ConfigError, "data.test_images: must leave 2 pictures"),
        ([9, 9], (), {"test_images": 0.99}, ConfigError, "at most 14 of 18, got 0.99 (that is 18)"),
        ([9, 9], (), {"test_images": 10**9}, ConfigError, "got 1,000,000,000; use fewer"),
        ([9, 9], (3, 3), {"validation_images": 17}, ConfigError, "data.validation_images: must"),
        ([9, 9], (3, 3), {"validation_images": 18}, ConfigError, "at most 16 of 18, got 18"),
        ([9, 9], (3, 3), {"validation_images": 0.95}, ConfigError, "got 0.95 (that is 17)"),
        ([9, 9], (3, 3), {"validation_images": 10**9}, ConfigError, "data.validation_images"),
        ([9, 9, 9], (3, 3, 3), {"limit": 2}, ConfigError, "data.limit: must be at least the numb"),
        ([9, 9, 9], (3, 3, 3), {"limit": 3}, ConfigError, "use fewer, or raise data.limit"),
        ([9, 2], (), {}, BadDataError, "class 'b': must have at least 3 pictures, for train, val"),
        ([9, 1], (3, 3), {}, BadDataError, "class 'b': must have at least 2 pictures, for train "),
        ([9, 0], (3, 3), {}, BadDataError, "got 0; add some, or remove the class"),
    ],
)
def test_the_impossible_is_refused_with_key_or_class_rule_value_and_way_out(
    pool: list[int],
    test: tuple[int, ...],
    values: dict[str, object],
    error: type[NasError],
    words: str,
) -> None:
    with pytest.raises(error) as caught:
        divide(made_up(pool, test), config(**values), 0)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_smallest_possible_classes_are_divided() -> None:
    data = divide(made_up([3, 3]), config(test_images=2, validation_images=2), 0)
    assert sizes(data) == (2, 2, 2)
    assert by_class(data, data.split.train) == [1, 1]
