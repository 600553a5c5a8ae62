"""YAML text to plain values, with the line of every key; knows no config key and runs no tag.

Scalars follow the YAML 1.2 core schema, so `1e-3` is a number and `no` is text, but for numbers in
other bases than ten, which are text. Aliases and tags are refused: no config needs them, and they
are how a small file becomes a large or a running one.
"""

import re
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

Plain: TypeAlias = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None
KeyPath: TypeAlias = tuple[str | int, ...]

MAX_CHARACTERS = 100_000
MAX_DEPTH = 20
MAX_DIGITS = 40

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF|nan|NaN|NAN)")

# What PyYAML says, in part, and what to do about it.
_HINTS = {
    "'\\t'": "indent with spaces, not tabs",
    "mapping values are not allowed": "check the indentation, and put text with a colon in quotes",
    "could not find expected ':'": "put a colon and a space between key and value",
    "got '<stream end>'": "close the bracket",
    "unexpected end of stream": "close the quote",
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the text: its line, the key if it is about one, the rule in words."""

    line: int
    message: str
    path: KeyPath = ()


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
    """Read one YAML document; what is wrong with the text is listed, never raised.

    Where reading had to stop, the value is None: half a text says nothing about the other half.
    """
    if len(text) > MAX_CHARACTERS:
        return _refused(1, f"longer than {MAX_CHARACTERS:,} characters; a config is a page of text")
    line, document = 1, Document()
    builder = _Builder(document)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            assert event.start_mark is not None  # PyYAML marks every event it parses from text
            line = event.start_mark.line + 1
            builder.take(event, line)
    except _RefusedError as refused:
        return _refused(line, str(refused))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _refused(mark.line + 1 if mark else line, _in_words(error.problem or "no reason"))
    except yaml.reader.ReaderError as error:
        where = text.count("\n", 0, error.position) + 1
        return _refused(where, f"not valid YAML: character U+{error.character:04X} is not allowed")
    except (ValueError, OverflowError):  # PyYAML's own int() and chr(), on absurd digits
        return _refused(line, "not valid YAML: a number in an escape or a directive is too large")
    return document


def dump(value: Plain) -> str:
    """Return YAML that `parse` reads back as `value`: text that looks like a number is quoted."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True  # a list that occurs twice is written twice

    def text(self, value: str) -> yaml.ScalarNode:
        try:
            plain = isinstance(scalar(value), str) and value.isprintable()
        except ValueError:  # a number of too many digits
            plain = False
        return self.represent_scalar("tag:yaml.org,2002:str", value, None if plain else '"')


_Dumper.add_representer(str, _Dumper.text)


def _refused(line: int, message: str) -> Document:
    return Document(problems=[Problem(line, message)])


def _in_words(problem: str) -> str:
    hints = [hint for part, hint in _HINTS.items() if part in problem]
    return "; ".join([f"not valid YAML: {problem}", *hints])


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
        raise ValueError(f"a number has at most {MAX_DIGITS} digits, got {len(text)}")
    return int(text) if _INT.fullmatch(text) else float(text)


def is_unicode(text: str) -> bool:
    """Say whether a text can be written as UTF-8: an escape can name half of a character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


class _RefusedError(Exception):
    """Reading stops here."""


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

    def take(self, event: yaml.Event, line: int) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError("anchors and aliases (& and *) are not allowed; repeat the value")
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            raise _RefusedError(f"tags are not allowed, got {tag[:40]!r}; remove it")
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise _RefusedError("one document a file; remove the second '---'")
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._start({}, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._start([], line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.open.pop()

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if not is_unicode(event.value):
            raise _RefusedError(f"half a character, got {event.value!r}; write it out or as \\U")
        top = self.open[-1] if self.open else None
        if top and isinstance(top.value, dict) and top.key is None:
            self._key(top, event.value, line)
            return
        try:
            value = scalar(event.value) if event.style is None else event.value
        except ValueError as error:
            raise _RefusedError(str(error)) from None
        self._place(value, line)

    def _key(self, top: _Open, key: str, line: int) -> None:
        path = (*top.path, key)
        top.key, top.repeated = key, path in self.document.lines
        if top.repeated:
            message = f"given twice, on lines {self.document.lines[path]} and {line}; remove one"
            self.document.problems.append(Problem(line, message, path))
        self.document.lines.setdefault(path, line)

    def _start(self, value: list[Plain] | dict[str, Plain], line: int) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise _RefusedError(f"nested more than {MAX_DEPTH} levels deep; no key is")
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].key is None:
            raise _RefusedError("a key must be plain text, not a list or a mapping")
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
        if top.repeated:  # a path of its own, so that the keys below are not repeated as well
            return (*top.path, f"{key} (line {line})")
        top.value[key] = value
        return (*top.path, key)
