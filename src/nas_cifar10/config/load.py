"""A YAML file and `--set` overrides to a Config, with every error explained at once.

Also the text of a run's own config, and how it is known again. Knows where a value came from; what
a key means stands in `schema`.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nas_cifar10.config import yaml_text
from nas_cifar10.config.messages import Broken, dotted, explain_all, readable, show
from nas_cifar10.config.rules import RULES
from nas_cifar10.config.schema import Config
from nas_cifar10.config.yaml_text import MAX_CHARACTERS, MAX_DEPTH, Document, KeyPath, Plain
from nas_cifar10.errors import ConfigError, MissingInputError

MAX_PROBLEMS = 50
_RESOLVED = "# the resolved config of study "  # the first line of a run's own config

# Stands in for what is missing or wrong, so that the rules between keys are checked all the same.
_PLACEHOLDERS: dict[str, Any] = {"name": "x", "data": {"source": "cifar10"}, "space": {}}


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config file and apply `KEY=VALUE` overrides.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: what is wrong, one line each: place, rule, value and way out.
    """
    return _check(yaml_text.parse(_read(path)), str(path), overrides)


def config_from_plain(
    values: Plain, overrides: Sequence[str] = (), *, place: str = "stored config"
) -> Config:
    """Check values that were stored as JSON, and apply overrides to them.

    Raises:
        ConfigError: as `load_config`.
    """
    return _check(Document(_copy(values, place)), place, overrides)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CHARACTERS + 1)  # a device or a pipe may never end
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInputError(
            f"{path}: no such config file; nas init lists some to start from"
        ) from None
    except IsADirectoryError:
        raise MissingInputError(f"{path}: is a folder, not a config file") from None
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a null byte in the name
        raise MissingInputError(f"{str(path)!r}: no such config file: {error}") from None
    if len(raw) > MAX_CHARACTERS:
        raise ConfigError(f"{path}: is larger than {MAX_CHARACTERS:,} bytes; is it a config?")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text; save it as UTF-8") from None


def _copy(value: Any, place: str, levels: int = MAX_DEPTH) -> Plain:
    """Copy stored values, which are the caller's, as deep as a config can go."""
    if levels < 0:
        raise ConfigError(f"{place}: nested more than {MAX_DEPTH} levels deep; no key is")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) and yaml_text.is_unicode(key) for key in value):
            raise ConfigError(f"{place}: every key must be text, got {readable(str([*value]))}")
        return {key: _copy(item, place, levels - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(item, place, levels - 1) for item in value]
    return value  # type: ignore[no-any-return] # anything odd is refused by the schema


def _check(document: Document, place: str, overrides: Sequence[str]) -> Config:
    values = document.value
    problems = [_located(p.line, place, p.path, p.message) for p in document.problems]
    if values is None:
        empty = f"{place}: is empty; name, data and space are required"
        raise ConfigError("\n".join(problems) or empty)
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: must be a mapping of keys, got {show(values)}")
    set_paths: list[KeyPath] = []
    for override in overrides:
        try:
            set_paths.append(_apply(values, override))
        except _OverrideError as error:
            problems.append(f"--set {readable(override)}: {error}")
    config, broken = _validate(values)
    for path, message in broken:
        if any(path[: len(given)] == given for given in set_paths):
            stripped = message.endswith("put it in quotes")  # as a shell does with the outer ones
            own = f" of its own: --set \"{dotted(path)}='…'\"" if stripped else ""
            problems.append(f"--set {dotted(path)}: {message}{own}")
        else:
            problems.append(_located(document.line(path), place, path, message))
    if problems or config is None:
        raise ConfigError("\n".join(_at_most(problems)))
    return config


def _located(line: int | None, place: str, path: KeyPath, message: str) -> str:
    parts = [f"{place}:{line}" if line else place, *([dotted(path)] if path else []), message]
    return ": ".join(parts)


def _at_most(problems: list[str]) -> list[str]:
    left = len(problems) - MAX_PROBLEMS
    return [*problems[:MAX_PROBLEMS], f"… and {left:,} more"] if left > 0 else problems


class _OverrideError(Exception):
    """What is wrong with the form of one `--set`."""


def _apply(values: dict[str, Plain], override: str) -> KeyPath:
    """Set one dotted key in place; return its path, or that of the first mapping made for it."""
    if not yaml_text.is_unicode(override):
        raise _OverrideError("is not UTF-8 text")
    key, equals, text = override.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        raise _OverrideError("must be KEY=VALUE, such as search.trials=20")
    if len(path) > MAX_DEPTH:
        raise _OverrideError(f"has more than {MAX_DEPTH} parts; no key has")
    value, target, made = _override_value(text.strip()), values, path
    for depth, part in enumerate(path[:-1], start=1):
        inner = target.get(part)
        if inner is None:
            inner = target[part] = {}
            made = made[:depth]
        if not isinstance(inner, dict):
            raise _OverrideError(f"{dotted(path[:depth])} holds {show(inner)}, not keys")
        target = inner
    target[path[-1]] = value
    return made


def _override_value(text: str) -> Plain:
    """Read what follows `=`: YAML where it opens with a bracket or quote, else one bare value.

    A bare value is not YAML, because a shell user means `#`, `: ` and `*` as they stand.
    """
    if not text.startswith(("[", "{", "'", '"')):
        try:
            return yaml_text.scalar(text)
        except ValueError as error:
            raise _OverrideError(str(error)) from None
    document = yaml_text.parse(text)
    for problem in document.problems:
        key = f"{dotted(problem.path)}: " if problem.path else ""
        raise _OverrideError(f"{key}{problem.message}")
    return document.value


def _validate(values: dict[str, Plain]) -> tuple[Config | None, list[Broken]]:
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        broken = explain_all(error.errors(include_url=False))
        return None, [*broken, *_rules_despite(values, {path[:2] for path, _ in broken})]
    return config, list(_broken_rules(config))


def _broken_rules(config: Config, bad: Set[KeyPath] = frozenset()) -> Iterator[Broken]:
    """Check the rules between keys, but for those that read one of the bad keys."""
    for rule, keys in RULES.items():
        if not any(_path(key)[: len(path)] == path for key in keys for path in bad):
            yield from ((_path(key), message) for key, message in rule(config))


def _path(key: str) -> KeyPath:
    return tuple(int(part) if part.isdigit() else part for part in key.split("."))


def _rules_despite(values: dict[str, Plain], bad: Set[KeyPath]) -> list[Broken]:
    """Check the rules between keys with the bad keys, `section.key`, left out."""
    repaired = dict(_PLACEHOLDERS)
    for section, content in values.items():
        if (section,) not in bad:
            repaired[section] = (
                {key: value for key, value in content.items() if (section, key) not in bad}
                if isinstance(content, dict)
                else content
            )
    repaired["data"] = _PLACEHOLDERS["data"] | repaired["data"]
    return list(_broken_rules(Config.model_validate(repaired), bad))


def resolved_text(study: str, config: dict[str, Any]) -> str:
    """Return the text of a run's own config.yaml: a line that says so, then every key."""
    return f"{_RESOLVED}{study!r}\n{yaml_text.dump(config)}"


def is_resolved(path: Path) -> bool:
    """Say whether a file that is there was written as a run's own."""
    with path.open("rb") as file:
        return file.read(len(_RESOLVED)) == _RESOLVED.encode()
