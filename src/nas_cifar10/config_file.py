"""A YAML file and `--set` overrides to a Config, with every error explained at once.

Knows how an error is worded; what a key means stands in `config`.
"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nas_cifar10 import yaml_text
from nas_cifar10.config import Config
from nas_cifar10.config_rules import RULES
from nas_cifar10.dimensions import FORMS
from nas_cifar10.errors import ConfigError, MissingInputError
from nas_cifar10.yaml_text import Document, KeyPath, Plain

Broken: TypeAlias = tuple[KeyPath, str]

# Stands in for what is missing or wrong, so that the rules between keys are checked all the same.
_PLACEHOLDERS: dict[str, Any] = {"name": "x", "data": {"source": "cifar10"}, "space": {}}


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config file and apply `KEY=VALUE` overrides.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: what is wrong, one line each: place, rule, value and way out.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInputError(f"{path}: no such config file") from None
    except IsADirectoryError:
        raise MissingInputError(f"{path}: is a folder, not a config file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read: {error.strerror}") from None
    return _check(yaml_text.parse(text), str(path), overrides)


def from_plain(
    values: Plain, overrides: Sequence[str] = (), *, place: str = "stored config"
) -> Config:
    """Check values that were stored as JSON, and apply overrides to them.

    Raises:
        ConfigError: as `load`.
    """
    return _check(Document(values), place, overrides)


def _check(document: Document, place: str, overrides: Sequence[str]) -> Config:
    problems = [f"{place}:{problem.line}: {problem.message}" for problem in document.problems]
    values = document.value
    if values is None and not problems:
        raise ConfigError(f"{place}: is empty; `name`, `data` and `space` are required")
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{place}: must be a mapping of keys, got {_show(values)}")
    if problems and not values:
        raise ConfigError("\n".join(problems))
    assert isinstance(values, dict)
    override_paths: set[KeyPath] = set()
    for override in overrides:
        override_paths.add(_apply(values, override))
    config, broken = _validate(values)
    for path, message in broken:
        problems.append(
            f"{_place(document, place, override_paths, path)}{_dotted(path)}: {message}"
        )
    if problems or config is None:
        raise ConfigError("\n".join(problems))
    return config


def _apply(values: dict[str, Plain], override: str) -> KeyPath:
    """Set one dotted key in place and return its path."""
    key, equals, text = override.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        raise ConfigError(f"--set {override}: must be KEY=VALUE, such as search.trials=20")
    parsed = yaml_text.parse(text)
    if parsed.problems:
        raise ConfigError(f"--set {override}: {parsed.problems[0].message}")
    target = values
    for part in path[:-1]:
        inner = target.get(part)
        if inner is None:
            inner = target[part] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {part} holds {_show(inner)}, not keys")
        target = inner
    target[path[-1]] = parsed.value
    return path


def _place(document: Document, place: str, overrides: set[KeyPath], path: KeyPath) -> str:
    if any(path[: len(override)] == override for override in overrides):
        return "--set "
    line = document.line(path)
    return f"{place}:{line}: " if line else f"{place}: "


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path)) or "config"


def _validate(values: dict[str, Plain]) -> tuple[Config | None, list[Broken]]:
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        broken = list(_explain_all(error.errors(include_url=False)))
        return None, broken + _rules_despite(values, [path for path, _ in broken])
    return config, list(_broken_rules(config))


def _broken_rules(config: Config) -> Iterator[Broken]:
    for rule in RULES:
        for dotted, message in rule(config):
            yield tuple(dotted.split(".")), message


def _rules_despite(values: dict[str, Plain], bad: list[KeyPath]) -> list[Broken]:
    """Check the rules between keys with the bad keys left out; drop what only that caused."""
    repaired = _without(values, (), bad)
    for key, placeholder in _PLACEHOLDERS.items():
        if not isinstance(repaired.get(key), type(placeholder)):
            repaired[key] = placeholder
    repaired["data"] = _PLACEHOLDERS["data"] | repaired["data"]
    try:
        config = Config.model_validate(repaired)
    except ValidationError:
        return []
    sections = {path[:2] for path in bad}
    return [(p, m) for p, m in _broken_rules(config) if not sections & set(_mentions(p, m))]


def _mentions(path: KeyPath, message: str) -> Iterator[KeyPath]:
    """Yield the two-part keys a broken rule is about: its own, and those its message names."""
    yield path[:2]
    for word in message.replace(",", " ").replace(";", " ").split():
        parts = word.split("=")[0].split(".")
        if len(parts) >= 2 and parts[0] in Config.model_fields:
            yield parts[0], parts[1]


def _without(value: Any, path: KeyPath, bad: list[KeyPath]) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {k: v for k, v in value.items() if (*path, k) not in bad}
    kept = {k: v for k, v in kept.items() if not _inside_list(v, (*path, k), bad)}
    return {k: _without(v, (*path, k), bad) for k, v in kept.items()}


def _inside_list(value: Any, path: KeyPath, bad: list[KeyPath]) -> bool:
    return isinstance(value, list) and any(b[: len(path)] == path for b in bad)


def _explain_all(details: Sequence[ErrorDetails]) -> Iterator[Broken]:
    paths = [tuple(part for part in detail["loc"] if part not in FORMS) for detail in details]
    for detail, path in zip(details, paths, strict=True):
        inner = any(p[: len(path)] == path and len(p) > len(path) for p in paths)
        # pydantic counts bad list items as missing; each has an error of its own
        if not (detail["type"] == "too_short" and inner):
            yield path, _explain(detail, path)


_WORDING = {
    "missing": "is required",
    "greater_than": "must be > {gt:g}, got {value}",
    "greater_than_equal": "must be ≥ {ge}, got {value}",
    "less_than": "must be < {lt:g}, got {value}",
    "less_than_equal": "must be ≤ {le:,}, got {value}",
    "finite_number": "must be a finite number, got {value}",
    "int_type": "must be a whole number, got {value}",
    "int_from_float": "must be a whole number, got {value}",
    "float_type": "must be a number, got {value}",
    "bool_type": "must be true or false, got {value}",
    "string_type": "must be text, got {value}; put it in quotes",
    "string_too_short": "must have at least {min_length} character, got {value}",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}, got {value}",
    "too_short": "must have at least {min_length} item, got {value}",
    "too_long": "must have at most {max_length} items",
    "tuple_type": "must be a list, got {value}",
    "model_type": "must be a mapping of keys, got {value}",
    "value_error": "{error}, got {value}",
}


def _explain(detail: ErrorDetails, path: KeyPath) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"no such key{_did_you_mean(path)}"
    wording = _WORDING.get(kind)
    if wording is None:
        return f"{detail['msg']}, got {_show(detail['input'])}"
    return wording.format(**context, value=_show(detail["input"]))


def _show(value: Any) -> str:
    text = "null" if value is None else repr(value)
    text = {"True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _did_you_mean(path: KeyPath) -> str:
    wrong = str(path[-1])
    siblings = [key for above, key in _every_key() if above == path[:-1]]
    near = difflib.get_close_matches(wrong.lower(), siblings, 1, 0.6) or [
        key for key in siblings if _abbreviates(wrong.lower(), key)
    ]
    if near:
        return f"; did you mean {near[0]}?"
    elsewhere = [".".join(map(str, (*above, key))) for above, key in _every_key() if key == wrong]
    if elsewhere:
        return f" here; did you mean {elsewhere[0]}?"
    return f"; known: {', '.join(siblings)}" if siblings else ""


def _abbreviates(short: str, key: str) -> bool:
    """Say whether the letters of `short` stand in `key` in order, both with the same first."""
    letters = iter(key)
    return len(short) > 1 and key[0] == short[0] and all(letter in letters for letter in short)


def _every_key(
    model: type[BaseModel] = Config, above: KeyPath = ()
) -> Iterator[tuple[KeyPath, str]]:
    for key, field in model.model_fields.items():
        yield above, key
        for section in _sections(field.annotation):
            yield from _every_key(section, (*above, key))


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections a field may hold directly."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _sections(inner)
