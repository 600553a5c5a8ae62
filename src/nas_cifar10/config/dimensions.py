"""The kinds of value a key can hold, and the three ways to write a searched one; knows no key."""

import re
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    model_validator,
)


class Section(BaseModel):
    """A part of the config: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def no_repeats(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values, each of which is there once.

    Raises:
        ValueError: one is there twice.
    """
    if len(set(values)) != len(values):
        raise ValueError("must not repeat a value")
    return values


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd")
    return value


def _plain_text(value: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
        raise ValueError("must hold no control characters and no line breaks")
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def also(rule: str) -> dict[str, JsonValue]:
    """Put what a validator checks into the schema, for docs/configuration.md."""
    return {"also": rule}


_ADDRESS = "auto, or HOST:PORT as ray start --head prints it"


def _host_and_port(text: str) -> str:
    port = re.fullmatch(r"[\w.\-\[\]:]+:(\d{1,5})", text, re.ASCII)
    if text != "auto" and not (port and 0 < int(port[1]) < 2**16):
        raise ValueError(f"must be {_ADDRESS}")
    return text


def _shape(value: Any) -> str:
    """Name the form a value is written in, for pydantic's tagged unions."""
    if isinstance(value, (list, tuple)):
        return "choice"
    return "range" if isinstance(value, (dict, Section)) else "value"


def _one_or_several(value: Any) -> str:
    return "choice" if isinstance(value, (list, tuple)) else "value"


def _word_or_count(value: Any) -> str:
    return "word" if isinstance(value, str) else "count"


def _count_or_fraction(value: Any) -> str:
    return "count" if isinstance(value, int) else "fraction"


# What these functions return: pydantic puts it into an error's path, users did not.
FORMS = {"value", "choice", "range", "word", "count", "fraction"}

_PLAIN = also("not blank, without control characters")
Name: TypeAlias = Annotated[
    str, Field(max_length=200, json_schema_extra=_PLAIN), AfterValidator(_plain_text)
]
FolderPath: TypeAlias = Annotated[
    str, Field(max_length=1000, json_schema_extra=_PLAIN), AfterValidator(_plain_text)
]


def folder_at(path: str) -> Path:
    """Return the folder that a `FolderPath` means; `~` is the user's home."""
    with suppress(RuntimeError):  # nobody of that name
        return Path(path).expanduser()
    return Path(path)


RayAddress: TypeAlias = Annotated[
    str, Field(max_length=300, json_schema_extra=also(_ADDRESS)), AfterValidator(_host_and_port)
]
Count: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000_000)]
Work: TypeAlias = Annotated[int, Field(ge=1, le=10**15)]
Epochs: TypeAlias = Annotated[int, Field(ge=1, le=10_000)]
Depth: TypeAlias = Annotated[int, Field(ge=1, le=10)]
Channels: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
Kernel: TypeAlias = Annotated[
    int, Field(ge=1, le=31, json_schema_extra=also("odd")), AfterValidator(_odd)
]
Convolutions: TypeAlias = Annotated[int, Field(ge=1, le=8)]
Dropout: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Kind: TypeAlias = Literal["conv", "residual", "depthwise_separable"]
Norm: TypeAlias = Literal["none", "batch"]
Activation: TypeAlias = Literal["relu", "gelu", "silu"]
Pooling: TypeAlias = Literal["max", "average", "stride", "none"]
Skip: TypeAlias = Literal["none", "add"]
Stem: TypeAlias = Literal["none", "conv", "whitening"]
Head: TypeAlias = Literal["flatten", "average", "max"]
Initialisation: TypeAlias = Literal["default", "dirac"]
BatchSize: TypeAlias = Annotated[int, Field(ge=1, le=100_000)]
LearningRate: TypeAlias = Annotated[float, Field(gt=0, le=100)]
Factor: TypeAlias = Annotated[float, Field(gt=0, le=1000)]
Decay: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Smoothing: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
WeightDecay: TypeAlias = Annotated[float, Field(ge=0, le=10)]
Pixels: TypeAlias = Annotated[int, Field(ge=0, le=1024)]
Jitter: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Mixing: TypeAlias = Annotated[float, Field(ge=0, le=100)]

_AUTO_OR = Discriminator(_word_or_count)
_Auto: TypeAlias = Annotated[Literal["auto"], Tag("word")]
AutoOrCount: TypeAlias = Annotated[
    _Auto | Annotated[Annotated[int, Field(ge=1, le=1024)], Tag("count")], _AUTO_OR
]
Minutes: TypeAlias = Annotated[float, Field(gt=0, le=1e6)]
Milliseconds: TypeAlias = Annotated[float, Field(gt=0, le=1e6)]
Share: TypeAlias = Annotated[
    Annotated[Count, Tag("count")]
    | Annotated[Annotated[float, Field(gt=0, lt=1)], Tag("fraction")],
    Discriminator(_count_or_fraction),
]

Number = TypeVar("Number", bound=float)


class Range(Section, Generic[Number]):
    """All values from low to high, both included."""

    low: Number = Field(description="the smallest value, included")
    high: Number = Field(description="the largest value, included")
    log: bool = Field(False, description="true: even on a logarithmic axis")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("low must be above 0 where log is true")
        return self


Word = TypeVar("Word", bound=str)
Words: TypeAlias = Annotated[
    Annotated[Word, Tag("value")]
    | Annotated[
        tuple[Word, ...],
        Field(strict=False, min_length=1),
        AfterValidator(no_repeats),
        Tag("choice"),
    ],
    Discriminator(_one_or_several),
]
Value: TypeAlias = Annotated[Number, Tag("value")]
Choice: TypeAlias = Annotated[
    tuple[Number, ...],
    Field(strict=False, min_length=1),
    AfterValidator(no_repeats),
    Tag("choice"),
]
_RANGE = Tag("range")
_SHAPE = Discriminator(_shape)

DepthDimension: TypeAlias = Annotated[
    Value[Depth] | Choice[Depth] | Annotated[Range[Depth], _RANGE], _SHAPE
]
ChannelsDimension: TypeAlias = Annotated[
    Value[Channels] | Choice[Channels] | Annotated[Range[Channels], _RANGE], _SHAPE
]
KernelDimension: TypeAlias = Annotated[
    Value[Kernel] | Choice[Kernel] | Annotated[Range[Kernel], _RANGE], _SHAPE
]
ConvolutionsDimension: TypeAlias = Annotated[
    Value[Convolutions] | Choice[Convolutions] | Annotated[Range[Convolutions], _RANGE], _SHAPE
]
DropoutDimension: TypeAlias = Annotated[
    Value[Dropout] | Choice[Dropout] | Annotated[Range[Dropout], _RANGE], _SHAPE
]
BatchSizeDimension: TypeAlias = Annotated[
    Value[BatchSize] | Choice[BatchSize] | Annotated[Range[BatchSize], _RANGE], _SHAPE
]
LearningRateDimension: TypeAlias = Annotated[
    Value[LearningRate] | Choice[LearningRate] | Annotated[Range[LearningRate], _RANGE], _SHAPE
]
WeightDecayDimension: TypeAlias = Annotated[
    Value[WeightDecay] | Choice[WeightDecay] | Annotated[Range[WeightDecay], _RANGE], _SHAPE
]
SmoothingDimension: TypeAlias = Annotated[
    Value[Smoothing] | Choice[Smoothing] | Annotated[Range[Smoothing], _RANGE], _SHAPE
]
PixelsDimension: TypeAlias = Annotated[
    Value[Pixels] | Choice[Pixels] | Annotated[Range[Pixels], _RANGE], _SHAPE
]
JitterDimension: TypeAlias = Annotated[
    Value[Jitter] | Choice[Jitter] | Annotated[Range[Jitter], _RANGE], _SHAPE
]
MixingDimension: TypeAlias = Annotated[
    Value[Mixing] | Choice[Mixing] | Annotated[Range[Mixing], _RANGE], _SHAPE
]


def options(dimension: Word | tuple[Word, ...]) -> tuple[Word, ...]:
    """Return every word a dimension of words can be."""
    return dimension if isinstance(dimension, tuple) else (dimension,)


def largest(dimension: Number | tuple[Number, ...] | Range[Number]) -> Number:
    """Return the largest value a dimension can take."""
    if isinstance(dimension, tuple):
        return max(dimension)
    return dimension.high if isinstance(dimension, Range) else dimension


def contains(
    dimension: Number | str | tuple[Number | str, ...] | Range[Number], value: float | str
) -> bool:
    """Say whether a dimension can take a value."""
    if isinstance(dimension, tuple):
        return value in dimension
    if isinstance(dimension, Range):
        return not isinstance(value, str) and dimension.low <= value <= dimension.high
    return value == dimension
