"""YAML text: what scalars mean, what is refused and on which line."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_cifar10.config.yaml_text import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_DIGITS,
    Plain,
    dump,
    parse,
    scalar,
)

SCALARS = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "FALSE": False,
    "yes": "yes",
    "no": "no",
    "on": "on",
    "1": 1,
    "-7": -7,
    "+7": 7,
    "007": 7,
    "1e-3": 0.001,
    "1E3": 1000.0,
    ".5": 0.5,
    "5.": 5.0,
    ".inf": math.inf,
    "-.INF": -math.inf,
    "1_000": "1_000",
    "0x10": "0x10",
    "1:30": "1:30",
    "2026-01-01": "2026-01-01",
    "1e": "1e",
    "e3": "e3",
    ".": ".",
    "--1": "--1",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    read = scalar(text)
    assert read == value
    assert type(read) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(float(str(scalar(".nan"))))


def test_quotes_make_text() -> None:
    assert parse("""[1, '1', "1", true, 'true', null, ""]""").value == (
        [1, "1", "1", True, "true", None, ""]
    )


def test_the_longest_number_is_read_and_a_longer_one_refused() -> None:
    assert scalar("9" * MAX_DIGITS) == 10**MAX_DIGITS - 1
    with pytest.raises(ValueError, match=f"at most {MAX_DIGITS} digits, got {MAX_DIGITS + 1}"):
        scalar("9" * (MAX_DIGITS + 1))


def test_every_key_and_item_has_its_line() -> None:
    document = parse("a: 1\nb:\n  c: [2,\n    3]\n  d:\n    - e: 4\n")
    assert document.value == {"a": 1, "b": {"c": [2, 3], "d": [{"e": 4}]}}
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 3,
        ("b", "c", 1): 4,
        ("b", "d"): 5,
        ("b", "d", 0): 6,
        ("b", "d", 0, "e"): 6,
    }


def test_an_absent_key_has_the_line_of_the_one_above() -> None:
    document = parse("\na: 1\nb:\n  c: 2\n")
    assert document.line(("b", "x", 3)) == 3
    assert document.line(("x",)) == 2
    assert parse("").line(("x",)) is None


def test_a_repeated_key_is_named_once_with_both_lines_and_the_first_stays() -> None:
    document = parse("a: {x: 1, y: 2}\nb: 3\na: {x: 4}\n")
    assert [(p.line, p.path, p.message) for p in document.problems] == [
        (3, ("a",), "given twice, on lines 1 and 3; remove one")
    ]
    assert document.value == {"a": {"x": 1, "y": 2}, "b": 3}


def test_keys_repeated_within_a_list_are_told_apart() -> None:
    assert parse("- {x: 1}\n- {x: 2}\n").problems == []
    assert parse("- {x: 1}\n- {x: 2, x: 3}\n").problems[0].path == (1, "x")


REFUSED = {
    "anchor": ("a: &x 1\nb: 2", 1, "anchors and aliases"),
    "alias": ("a: 1\nb: *x", 2, "anchors and aliases"),
    "merge": ("a: &x {b: 1}\nc: {<<: *x}", 1, "anchors and aliases"),
    "bomb": ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]", 1, "anchors and aliases"),
    "tag": ("a: 1\nb: !!python/object/apply:os.system [ls]", 2, "tags are not allowed"),
    "own tag": ("a: !x 1", 1, "tags are not allowed, got '!x'; remove it"),
    "two documents": ("a: 1\n---\nb: 2", 2, "one document a file"),
    "deep list": ("[" * 50_000, 1, f"nested more than {MAX_DEPTH} levels"),
    "deep block": ("- " * 50_000, 1, f"nested more than {MAX_DEPTH} levels"),
    "deep mapping": ("{a: " * 20_000, 1, f"nested more than {MAX_DEPTH} levels"),
    "mapping as key": ("a: 1\n? {b: 1}\n: 2", 2, "a key must be plain text"),
    "long number": ("a: 1\nb: " + "9" * 5000, 2, "at most 40 digits, got 5000"),
    "long version": ("%YAML 1." + "1" * 5000 + "\n---\na: 1", 1, "is too large"),
    "huge escape": ('a: 1\nb: "\\UFFFFFFFF"', 2, "is too large"),
    "half a character": ('a: 1\n\nb: "\\ud800"', 3, "half a character"),
    "half a character as key": ('"\\udfff": 1', 1, "half a character"),
    "null byte": ("a: 1\nb: \0", 2, "character U+0000 is not allowed"),
    "tab": ("a:\n\tb: 1", 2, "indent with spaces, not tabs"),
    "open list": ("a: [1,\n 2", 2, "close the bracket"),
    "open quote": ("a: 'x", 1, "close the quote"),
    "two colons": ("a: b: c", 1, "put text with a colon in quotes"),
    "no colon": ("a: 1\nb\nc: 2", 3, "put a colon and a space"),
    "too long": ("#" * (MAX_CHARACTERS + 1), 1, "longer than 100,000 characters"),
}


@pytest.mark.parametrize(("text", "line", "message"), REFUSED.values(), ids=REFUSED)
def test_what_stops_the_reading_is_said_with_its_line(text: str, line: int, message: str) -> None:
    document = parse(text)
    [problem] = document.problems
    assert message in problem.message
    assert problem.line == line
    assert document.value is None


@given(st.text(max_size=200) | st.text("-?:,[]{}#&*!|>'\"%@` \n\ta1.", max_size=200))
def test_no_text_raises(text: str) -> None:
    parse(text)


_TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20)
_NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=10,
)


@given(_JSON)
def test_json_is_read_as_python_reads_it(value: Any) -> None:
    document = parse(json.dumps(value))
    assert document.problems == []
    assert document.value == value


@given(_JSON | st.dictionaries(_TEXT, st.sampled_from([*SCALARS, "9" * 50, "é", "a: b", "# c"])))
def test_what_is_dumped_is_read_back(value: Any) -> None:
    assert parse(dump(value)).value == value


def test_a_list_that_occurs_twice_is_dumped_without_anchors() -> None:
    twice: list[Plain] = [1, 2]
    assert parse(dump({"a": twice, "b": twice})).value == {"a": [1, 2], "b": [1, 2]}
