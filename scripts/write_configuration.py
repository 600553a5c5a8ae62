"""Write docs/configuration.md from the schema; with `--check`, only say whether it is fresh."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nas_cifar10.config.dimensions import Range
from nas_cifar10.config.messages import show
from nas_cifar10.config.rules import RULES
from nas_cifar10.config.schema import Config
from nas_cifar10.config.yaml_text import MAX_CHARACTERS, MAX_DEPTH, MAX_DIGITS
from nas_cifar10.search.identity import FREE

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

FILE_RULES = {
    "file_is_text": f"UTF-8, at most {MAX_CHARACTERS:,} bytes, valid YAML",
    "file_is_a_mapping": "one document, which is a mapping of keys; an empty file is refused",
    "known_keys": "a key that is not on this page is refused, and the nearest one named",
    "keys_once": "no key is given twice in one mapping",
    "no_anchors_or_tags": "no anchors, aliases or tags (`&`, `*`, `!`)",
    "sane_sizes": f"at most {MAX_DEPTH} levels deep, at most {MAX_DIGITS} digits a number",
}
DIMENSION_RULES = {
    "choices": "a list holds at least one value and none twice",
    "ranges": "a range has `low` and `high`, `low` below `high`; `log` is true or false, and false "
    "where `low` is 0",
}
SET_RULES = {
    "set_form": "`--set KEY=VALUE`, with a key such as `search.trials`",
    "set_reaches_keys": "a part before the last dot holds keys, not a value",
}

HEAD = """\
# Configuration

Written by `scripts/write_configuration.py` from the schema; change the schema, not this page.

A run is described by one YAML file. `name`, `data` (with `data.source`) and `space` are required;
everything else has a default. `nas validate FILE` checks a file and names everything that is wrong
with it at once, each with its place, the rule, the value and a way out. Nothing is converted
silently: `"3"` is text and no number, `3.0` is no whole number.

## The file

`1e-3` is a number; `no` and `on`, `0x10` and `1_000` are text.
"""

DIMENSIONS = """\
## How to write a dimension

A key of `space` whose rule ends in `{low, high, log}` takes one of three forms, and one that holds
words takes the first two:

| Form | Example | Meaning |
|---|---|---|
| a value | `depth: 3` | fixed, not searched |
| a list | `channels: [16, 32, 64]` | a choice, in no order |
| a range | `learning_rate: {low: 1e-4, high: 1e-2}` | every value, both ends included |

With `log: true`, a range is even on a logarithmic axis. Ranges of whole numbers hold whole
numbers; a range of kernel sizes holds the odd ones. A list of one value is that value.
"""

COUNTS = """\
## Counts and fractions

`data.validation_images` and `data.test_images` take a count (a whole number, at least 1) or a
fraction (above 0, below 1, with a point). A fraction scales with `data.limit`. 0 and -1 never mean
"all" or "none": `null` does, where a rule allows it.
"""

SET = """\
## `--set KEY=VALUE`

Overrides one key; it may be given many times, and the last one for a key wins. KEY is dotted
(`search.sampler.name`). A VALUE that opens with `[`, `{` or a quote is read as YAML; anything else
is one bare value, taken as it stands (`--set name=run #3` keeps the `#3`). An empty VALUE is null.
Positions in lists cannot be set; give the whole list: `--set 'space.depth=[2, 3]'`.
"""

RESUME = """\
## What may change on `--resume`

Free are {free};
`search.trials` may only grow. Every other key is the study's identity, compared as written (`auto`
before it is resolved): with another value the run is refused (exit code 78) and the study stays as
it was.
"""


def sections(
    model: type[BaseModel] = Config, path: str = ""
) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every section with its dotted path; the three keys of a range are no section."""
    yield path, model
    for key, field in model.model_fields.items():
        for inner, suffix in _sections_in(field.annotation):
            yield from sections(inner, f"{path}.{key}{suffix}".strip("."))


def _sections_in(annotation: Any, suffix: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, Range):
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, suffix
    inside = ".N" if getattr(annotation, "__origin__", None) is tuple else suffix
    for inner in getattr(annotation, "__args__", ()):
        yield from _sections_in(inner, inside)


def key_rules() -> dict[str, str]:
    """Return the rule of every key, in words, under its dotted path."""
    found = {}
    for path, model in sections():
        schema = model.model_json_schema()
        for key, property_ in schema["properties"].items():
            found[f"{path}.{key}".strip(".")] = in_words(property_, schema.get("$defs", {}))
    return found


def rule_names() -> list[str]:
    """Return the name of every rule on the page."""
    return [
        *FILE_RULES,
        *key_rules(),
        *DIMENSION_RULES,
        *(rule.__name__ for rule in RULES),
        *SET_RULES,
    ]


def in_words(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if options := schema.get("anyOf") or schema.get("oneOf"):
        *most, last = (in_words(option, definitions) for option in options)
        return f"{'; '.join(most)}; or {last}"
    if values := schema.get("enum"):
        return f"one of {', '.join(map(str, values))}"
    if "const" in schema:
        return str(schema["const"])
    if reference := schema.get("$ref"):
        target = definitions[reference.rpartition("/")[2]]
        return "{low, high, log}" if "low" in target["properties"] else "a mapping"
    words = _KINDS[schema["type"]](schema)
    join = ": " if words == "a list" else ", "
    return f"{words}{join}{schema['also']}" if "also" in schema else words


def _whole_number(schema: Mapping[str, Any]) -> str:
    low, high = schema["minimum"], schema["maximum"]
    return f"the number {low}" if low == high else f"whole number, {low:,} to {high:,}"


def _number(schema: Mapping[str, Any]) -> str:
    ends = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "up to",
        "exclusiveMaximum": "below",
    }
    said = [f"{word} {schema[end]:,}" for end, word in ends.items() if end in schema]
    return f"number {', '.join(said)}"


def _list(schema: Mapping[str, Any]) -> str:
    if "maxItems" in schema:
        return f"a list of {schema['minItems']} to {schema['maxItems']} mappings"
    return "a list" if "also" in schema else "a list of such values"


_KINDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "integer": _whole_number,
    "number": _number,
    "boolean": lambda _: "true or false",
    "string": lambda schema: f"text of at most {schema['maxLength']:,} characters",
    "array": _list,
    "null": lambda _: "null",
}


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            HEAD,
            _bullets(FILE_RULES),
            *_tables(),
            DIMENSIONS,
            _bullets(DIMENSION_RULES),
            COUNTS,
            "## Rules between keys\n",
            _bullets(_rules_between_keys()),
            SET,
            _bullets(SET_RULES),
            RESUME.format(free=", ".join(map(_free_key, FREE))).rstrip(),
            "",
        ]
    )


def _free_key(key: str) -> str:
    """Return how a key is written on the page, a section as all that is in it."""
    value: Any = Config
    for part in key.split("."):
        value = value.model_fields[part].annotation
    section = isinstance(value, type) and issubclass(value, BaseModel)
    return f"`{key}.*`" if section else f"`{key}`"


def _bullets(rules: Mapping[str, str]) -> str:
    return "".join(f"- `{name}`: {words}.\n" for name, words in rules.items())


def _rules_between_keys() -> dict[str, str]:
    return {
        rule.__name__: f"{(rule.__doc__ or '').rstrip('.')} ({', '.join(f'`{k}`' for k in keys)})"
        for rule, keys in RULES.items()
    }


def _tables() -> Iterator[str]:
    rules = key_rules()
    for path, model in sections():
        yield f"## {f'`{path}`' if path else 'Top level'}\n"
        yield f"{(model.__doc__ or '').strip()}\n"
        yield "| Key | Default | Rule | Meaning |\n|---|---|---|---|"
        for key, field in model.model_fields.items():
            name = f"{path}.{key}".strip(".")
            cells = f"`{key}`", _default(field), rules[name], _meaning(field)
            yield f"| {' | '.join(cells)} |"
        yield ""


def _default(field: FieldInfo) -> str:
    default = field.default
    if field.is_required() or isinstance(default, BaseModel):
        return "required" if field.is_required() else "all defaults"
    return f"`{default if isinstance(default, str) else show(default)}`"


def _meaning(field: FieldInfo) -> str:
    words = field.description or (type(field.default).__doc__ or "").partition("\n")[0]
    lowered = words[:1].lower() if words[1:2].islower() else words[:1]
    return lowered + words[1:].rstrip(".")


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    if "--check" not in arguments:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/configuration.md is stale: run python scripts/write_configuration.py")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
