"""The keys of a candidate written out, in YAML and in JSON alike; knows no other section."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from nas_cifar10.config.dimensions import (
    Activation,
    BatchSize,
    Channels,
    Convolutions,
    Dropout,
    Head,
    Initialisation,
    Jitter,
    Kernel,
    Kind,
    LearningRate,
    Mixing,
    Norm,
    Pixels,
    Pooling,
    Section,
    Skip,
    Smoothing,
    Stem,
    WeightDecay,
)


class BlockConfig(Section):
    """One block of a fixed candidate."""

    kind: Kind = Field("conv", description="kind of block")
    channels: Channels = Field(description="filters")
    kernel_size: Kernel = Field(description="pixels a side, odd")
    convolutions: Convolutions = Field(1, description="in this block")
    norm: Norm = Field("none", description="behind every convolution")
    activation: Activation = Field("relu", description="behind every convolution")
    pooling: Pooling = Field("max", description="what halves the picture")
    dropout: Dropout = Field(0.0, description="share of values dropped behind the block")
    skip: Skip = Field(
        "none",
        description="add: the first convolution is added to the last; where there are several, and "
        "the block is not residual",
    )

    @property
    def may_skip(self) -> bool:
        """Say whether `skip` can make a difference here."""
        return self.convolutions > 1 and self.kind != "residual"

    @field_validator("skip")
    @classmethod
    def _skips_something(cls, value: str, info: ValidationInfo) -> str:
        if value != "none" and (
            info.data.get("convolutions") == 1 or info.data.get("kind") == "residual"
        ):
            raise ValueError("must be none in a block of one convolution and in a residual one")
        return value


class ArchitectureConfig(Section):
    """The blocks of a fixed candidate, first to last."""

    blocks: Annotated[tuple[BlockConfig, ...], Field(strict=False, min_length=1, max_length=10)] = (
        Field(description="a list of blocks")
    )
    stem: Stem = Field("none", description="before the first block")
    head: Head = Field("flatten", description="what the linear layer reads")
    initialisation: Initialisation = Field("default", description="first weights")


class FixedTraining(Section):
    """The training values of a fixed candidate: exactly those the space draws."""

    learning_rate: LearningRate | None = Field(None, description="where the space draws it")
    batch_size: BatchSize | None = Field(None, description="where the space draws it")
    weight_decay: WeightDecay | None = Field(None, description="where the space draws it")
    label_smoothing: Smoothing | None = Field(None, description="where the space draws it")
    translate: Pixels | None = Field(None, description="where the space draws it")
    cutout: Pixels | None = Field(None, description="where the space draws it")
    colour_jitter: Jitter | None = Field(None, description="where the space draws it")
    mixup: Mixing | None = Field(None, description="where the space draws it")


class CandidateConfig(Section):
    """A candidate written out, as the candidate in best.json."""

    architecture: ArchitectureConfig = Field(description="a mapping with the list blocks")
    training: FixedTraining = FixedTraining()
