"""YAML text to plain values, with the line of every key; knows no config key and runs no tag.

Scalars follow the YAML 1.2 core schema, so `1e-3` is a number and `no` is text. Aliases and tags
are refused: no config needs them, and they are how a small file becomes a large or a running one.
"""

import re
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

Plain: TypeAlias = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None
KeyPath: TypeAlias = tuple[str | int, ...]

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 20
MAX_DIGITS = 40

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF|nan|NaN|NAN)")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the text: its line, and the rule in words."""

    line: int
    message: str


@dataclass
class Document:
    """A parsed text: its value, the line of every key path, and what was wrong on the way."""

    value: Plain = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: KeyPath) -> int | None:
        """Return the line of `path`, or of the nearest key above it that the text holds."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def parse(text: str) -> Document:
    """Read one YAML document; what is wrong with the text is listed, never raised."""
    document = Document()
    if len(text) > MAX_CHARACTERS:
        document.problems.append(Problem(1, f"longer than {MAX_CHARACTERS:,} characters"))
        return document
    builder = _Builder(document)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except _RefusedError as refused:
        document.problems.append(refused.problem)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = mark.line + 1 if mark else 1
        document.problems.append(Problem(where, f"not valid YAML: {error.problem}"))
    except yaml.reader.ReaderError as error:
        where = text.count("\n", 0, error.position) + 1
        document.problems.append(Problem(where, "not valid YAML: a character that is not allowed"))
    return document


def scalar(text: str) -> Plain:
    """Return what an unquoted scalar means.

    Raises:
        ValueError: a number has more than `MAX_DIGITS` digits.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    if not _FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise ValueError(f"numbers have at most {MAX_DIGITS} digits, got {len(text)}")
    return int(text) if _INT.fullmatch(text) else float(text)


class _RefusedError(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, message)


@dataclass
class _Open:
    """A list or mapping that is still being filled; `key` waits for its value."""

    value: list[Plain] | dict[str, Plain]
    path: KeyPath
    key: str | None = None
    repeated: bool = False


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.open: list[_Open] = []
        self.documents = 0

    def take(self, event: yaml.Event) -> None:
        assert event.start_mark is not None  # PyYAML marks every event it parses from text
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError(
                line, "anchors and aliases (& and *) are not allowed; repeat the value"
            )
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            raise _RefusedError(line, f"tags are not allowed, got {tag!r}")
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise _RefusedError(line, "one document a file; remove the second '---'")
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._start({}, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._start([], line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.open.pop()

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        top = self.open[-1] if self.open else None
        if top and isinstance(top.value, dict) and top.key is None:
            self._key(top, event.value, line)
            return
        value: Plain = event.value
        if event.style is None:
            try:
                value = scalar(event.value)
            except ValueError as error:
                raise _RefusedError(line, str(error)) from None
        self._place(value, line)

    def _key(self, top: _Open, key: str, line: int) -> None:
        path = (*top.path, key)
        top.key, top.repeated = key, path in self.document.lines
        if top.repeated:
            first, name = self.document.lines[path], ".".join(map(str, path))
            message = f"{name}: given twice, on lines {first} and {line}; remove one"
            self.document.problems.append(Problem(line, message))
        self.document.lines.setdefault(path, line)

    def _start(self, value: list[Plain] | dict[str, Plain], line: int) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise _RefusedError(line, f"nested more than {MAX_DEPTH} levels deep")
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].key is None:
            raise _RefusedError(line, "a key must be plain text, not a list or a mapping")
        self.open.append(_Open(value, self._place(value, line)))

    def _place(self, value: Plain, line: int) -> KeyPath:
        """Put a value where it belongs and return its path."""
        if not self.open:
            self.document.value = value
            self.document.lines[()] = line
            return ()
        top = self.open[-1]
        if isinstance(top.value, list):
            path: KeyPath = (*top.path, len(top.value))
            top.value.append(value)
            self.document.lines[path] = line
            return path
        assert top.key is not None
        key, top.key = top.key, None
        if not top.repeated:
            top.value[key] = value
        return (*top.path, key)
