"""What is wrong with a config, in words: the rule, the value, the way out; knows no file."""

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from nas_cifar10.config import yaml_text
from nas_cifar10.config.dimensions import FORMS
from nas_cifar10.config.schema import Config
from nas_cifar10.config.yaml_text import KeyPath

Broken: TypeAlias = tuple[KeyPath, str]

MAX_SHOWN = 80

_WORDING = {
    "greater_than": "must be > {gt:,}, got {value}",
    "greater_than_equal": "must be ≥ {ge:,}, got {value}",
    "less_than": "must be < {lt:,}, got {value}",
    "less_than_equal": "must be ≤ {le:,}, got {value}",
    "finite_number": "must be a finite number, got {value}",
    "int_type": "must be a whole number, got {value}",
    "float_type": "must be a number, got {value}",
    "bool_type": "must be true or false, got {value}",
    "string_type": "must be text, got {value}",
    "string_unicode": "must be whole characters, got {value}",
    "string_too_long": "must have at most {max_length:,} characters, got {length:,}",
    "literal_error": "must be {expected}, got {value}",
    "too_short": "must have at least {min_length} item, got {value}",
    "too_long": "must have at most {max_length} items, got {actual_length:,}",
    "tuple_type": "must be a list, got {value}",
    "model_type": "must be a mapping of keys, got {value}",
    "value_error": "{error}, got {value}",
}
# Where a key takes several forms, by the form that a value was read as.
_FORM_WORDING = {
    ("value", "int_type"): "must be a whole number, a list or {{low, high, log}}, got {value}",
    ("value", "float_type"): "must be a number, a list or {{low, high, log}}, got {value}",
    ("value", "literal_error"): "must be {expected}, or a list of these, got {value}",
    ("word", "literal_error"): "must be {expected} or a whole number, got {value}",
    ("fraction", "float_type"): "must be a count or a fraction below 1, got {value}",
    ("fraction", "less_than"): "must be < {lt:,}, or a count without a point, got {value}",
}


def explain_all(details: Sequence[ErrorDetails]) -> list[Broken]:
    """Word pydantic's findings, each under the key path that the user wrote."""
    paths = [_written_path(detail) for detail in details]
    above = {path[:length] for path in paths for length in range(len(path))}
    return [
        (path, _explain(detail, path))
        for detail, path in zip(details, paths, strict=True)
        # pydantic counts bad list items as missing; each has an error of its own
        if not (detail["type"] == "too_short" and path in above)
    ]


def dotted(path: KeyPath) -> str:
    """Return `a.b.0.c`; what would not print is escaped, and what is too long is cut."""
    return ".".join(readable(str(part)) for part in path) or "config"


def readable(text: str) -> str:
    """Return `text` as it can stand within a line."""
    return _cut(text if text.isprintable() and text else repr(text))


def show(value: Any) -> str:
    """Return a value as it would be written in YAML, on one line, cut where it is long."""
    return _cut(_written(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _written(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{readable(key)}: {_written(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    return repr(value)


def _written_path(detail: ErrorDetails) -> KeyPath:
    """Drop the names of forms, which pydantic puts in; a key that it refuses is the user's own."""
    kept = len(detail["loc"]) - (detail["type"] == "extra_forbidden")
    return (*(part for part in detail["loc"][:kept] if part not in FORMS), *detail["loc"][kept:])


def _explain(detail: ErrorDetails, path: KeyPath) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return f"no such key{_did_you_mean(path)}"
    if kind == "missing":
        field = FIELDS.get(_named(path))
        return f"is required: {field.description}" if field else "is required"
    form = str(detail["loc"][-1]) if detail["loc"] else ""
    wording = _FORM_WORDING.get((form, kind)) or _WORDING.get(kind)
    if wording is None:
        return f"{detail['msg']}, got {show(value)}"
    context = {key: _short(number) for key, number in detail.get("ctx", {}).items()}
    length = len(value) if isinstance(value, str) else 0
    said = wording.format(**context, length=length, value=show(value))
    return said + _way_out(kind, value)


def _short(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _way_out(kind: str, value: Any) -> str:
    """Say where quotes are missing, or too many."""
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return "; put it in quotes"
    if kind in {"int_type", "float_type", "bool_type"} and isinstance(value, str):
        with contextlib.suppress(ValueError):  # a number of too many digits
            return "" if isinstance(yaml_text.scalar(value), str) else "; remove the quotes"
    return ""


def _did_you_mean(path: KeyPath) -> str:
    wrong, above = str(path[-1]), _named(path[:-1])
    siblings = [str(key[-1]) for key in FIELDS if key[:-1] == above]
    if "." in wrong:
        return "; dots are for --set, in a file each part is a key of its own, nested"
    near = difflib.get_close_matches(wrong.lower(), siblings, 1, 0.6) or [
        key for key in siblings if _abbreviates(wrong.lower(), key)
    ]
    if near:
        return f"; did you mean {near[0]}?"
    if elsewhere := [dotted(key) for key in FIELDS if key[-1] == wrong]:
        return f" here; did you mean {' or '.join(elsewhere[:3])}?"
    return f"; known: {', '.join(siblings)}" if siblings else ""


def _abbreviates(short: str, key: str) -> bool:
    """Say whether the letters of `short` stand in `key` in order, both with the same first."""
    letters = iter(key)
    return len(short) > 1 and key[0] == short[0] and all(letter in letters for letter in short)


def _named(path: KeyPath) -> KeyPath:
    """Return a path without the positions in lists."""
    return tuple(part for part in path if isinstance(part, str))


def _every_field(
    model: type[BaseModel] = Config, above: KeyPath = ()
) -> Iterator[tuple[KeyPath, FieldInfo]]:
    for key, field in model.model_fields.items():
        yield (*above, key), field
        for section in _sections(field.annotation):
            yield from _every_field(section, (*above, key))


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections a field may hold directly."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _sections(inner)


FIELDS = dict(_every_field())
