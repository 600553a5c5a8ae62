"""Every YAML key: its type, default, range and meaning; knows neither files nor other rooms.

What two keys must not be together stands in `rules`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from nas_cifar10.config.dimensions import (
    Activation,
    AutoOrCount,
    BatchSize,
    BatchSizeDimension,
    ChannelsDimension,
    ConvolutionsDimension,
    Count,
    Decay,
    DepthDimension,
    DropoutDimension,
    Epochs,
    Factor,
    FolderPath,
    Head,
    Initialisation,
    Jitter,
    JitterDimension,
    KernelDimension,
    Kind,
    LearningRate,
    LearningRateDimension,
    Mixing,
    MixingDimension,
    Name,
    Norm,
    Pixels,
    PixelsDimension,
    Pooling,
    Section,
    Share,
    Skip,
    Smoothing,
    SmoothingDimension,
    Stem,
    WeightDecay,
    WeightDecayDimension,
    Words,
)
from nas_cifar10.config.retrain import RetrainConfig
from nas_cifar10.config.search import SearchConfig

MAX_SIZE = 1024  # pixels a side
SOURCE_SIZES = {"cifar10": 32, "digits": 8, "image_folder": 32}


class DataConfig(Section):
    """The pictures and how they are divided."""

    source: Literal["cifar10", "image_folder", "digits"] = Field(
        description="where the pictures come from"
    )
    root: FolderPath = Field("data", description="folder that holds the pictures, or the archive")
    image_size: Annotated[int, Field(ge=2, le=MAX_SIZE)] | None = Field(
        None,
        description="pixels a side; null: the source's own (cifar10 32, digits 8, image_folder 32)",
    )
    validation_images: Share = Field(
        0.1, description="a count, or a fraction of train + validation"
    )
    test_images: Share = Field(
        0.1667, description="a count, or a fraction of all; for digits, and folders without test/"
    )
    limit: Count | None = Field(
        None, description="stratified cap on train + validation; test is capped in proportion"
    )
    on_bad_image: Literal["error", "skip"] = Field(
        "error",
        description="a picture that cannot be read ends the run, or is counted and left out",
    )

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.image_size or SOURCE_SIZES[self.source]

    @property
    def channels(self) -> int:
        """Colour channels: digits are grey, everything else is RGB."""
        return 1 if self.source == "digits" else 3


class SearchedTraining(Section):
    """Training values drawn for each candidate; a key set here must not be set under `training`."""

    learning_rate: LearningRateDimension | None = Field(
        None, description="null: not searched, `training.learning_rate` holds"
    )
    batch_size: BatchSizeDimension | None = Field(
        None, description="null: not searched, `training.batch_size` holds"
    )
    weight_decay: WeightDecayDimension | None = Field(
        None, description="null: not searched, `training.weight_decay` holds"
    )
    label_smoothing: SmoothingDimension | None = Field(
        None, description="null: not searched, `training.label_smoothing` holds"
    )
    translate: PixelsDimension | None = Field(
        None, description="null: not searched, `training.translate` holds"
    )
    cutout: PixelsDimension | None = Field(
        None, description="null: not searched, `training.cutout` holds"
    )
    colour_jitter: JitterDimension | None = Field(
        None, description="null: not searched, `training.colour_jitter` holds"
    )
    mixup: MixingDimension | None = Field(
        None, description="null: not searched, `training.mixup` holds"
    )


class SpaceConfig(Section):
    """What could be built. A list is a choice, {low, high, log} a range, one value fixed."""

    depth: DepthDimension = Field(
        (2, 3, 4), description="blocks, plainly: convolution, ReLU, 2x2 max-pooling"
    )
    kind: Words[Kind] = Field(
        "conv",
        description="of a block; residual: all its convolutions are skipped by a sum, "
        "depthwise_separable: each is a filter a channel, then a 1x1 convolution",
    )
    channels: ChannelsDimension = Field((16, 32, 64), description="filters, drawn for each block")
    kernel_size: KernelDimension = Field(
        (3, 5), description="pixels a side, odd, drawn for each block"
    )
    convolutions: ConvolutionsDimension = Field(1, description="in a block, drawn for each")
    norm: Words[Norm] = Field("none", description="behind every convolution, drawn for each block")
    activation: Words[Activation] = Field(
        "relu", description="behind every convolution, drawn for each block"
    )
    pooling: Words[Pooling] = Field(
        "max",
        description="what halves the picture behind a block's first convolution; stride: that "
        "convolution itself, none: nothing",
    )
    dropout: DropoutDimension = Field(
        0.0, description="share of values dropped behind a block, drawn for each"
    )
    skip: Words[Skip] = Field(
        "none",
        description="add: a block's first convolution is added to its last; without effect where "
        "there is one, or where the block is residual",
    )
    stem: Words[Stem] = Field(
        "none",
        description="before the first block; conv: a convolution as in that block, not pooled, "
        "whitening: 2x2 filters that whiten the training pictures' patches, and stay as they are",
    )
    head: Words[Head] = Field(
        "flatten",
        description="what the last, linear layer reads of the last block's picture: all of it, or "
        "each channel's average or maximum",
    )
    initialisation: Words[Initialisation] = Field(
        "default", description="first weights; dirac: convolutions begin by passing their input on"
    )
    training: SearchedTraining = SearchedTraining()


def augments(training: Mapping[str, Any]) -> bool:
    """Say whether training pictures are changed; the keys are those of `TrainingConfig`."""
    strengths = ("translate", "cutout", "colour_jitter", "mixup")
    return training.get("flip", "none") != "none" or any(map(training.get, strengths))


WITH_MOMENTUM = {"sgd", "muon"}  # optimizers


class TrainingConfig(Section):
    """How a candidate is trained."""

    epochs: Epochs = Field(5, description="a full trial, and the schedule's maximum")
    batch_size: BatchSize = Field(128, description="pictures a step")
    learning_rate: LearningRate = Field(
        0.001, description="step size, where the space does not search it"
    )
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = Field(
        "adam",
        description="update rule; sgd: with Nesterov's momentum; muon: orthogonalised momentum for "
        "filters, adamw for the rest",
    )
    momentum: Decay = Field(0.9, description="how much of it stays at a step, of sgd and muon")
    schedule: Literal["constant", "cosine", "triangular", "one_cycle"] = Field(
        "constant",
        description="how the learning rate runs, always over all of training.epochs (a retrain: "
        "over retrain.epochs): a trial that is stopped early saw the start of it, so trials are "
        "compared at the same step of the same curve",
    )
    weight_decay: WeightDecay = Field(
        0.0,
        description="of filters and matrices, not of biases and norms; adam: added to the "
        "gradient, adamw and muon: decoupled from it",
    )
    bias_factor: Factor = Field(1.0, description="the learning rate of biases, in learning rates")
    label_smoothing: Smoothing = Field(
        0.0, description="share of the target that is spread over all classes"
    )
    weight_averaging: Decay = Field(
        0.0,
        description="how much of the moving average of the weights stays at a step; above 0, that "
        "average is what is measured and kept",
    )
    flip: Literal["none", "random", "alternating"] = Field(
        "none",
        description="mirror training pictures left to right; random: each time by a coin, "
        "alternating: in every second epoch, half of the pictures begin mirrored",
    )
    translate: Pixels = Field(
        0, description="shift training pictures by at most so many pixels each way, reflected"
    )
    cutout: Pixels = Field(
        0, description="blank a square of so many pixels a side somewhere in training pictures"
    )
    colour_jitter: Jitter = Field(
        0.0,
        description="change brightness, contrast and saturation of training pictures, each by a "
        "factor of at most so much above or below 1",
    )
    mixup: Mixing = Field(
        0.0,
        description="mix each training picture and its label with another's, by shares drawn from "
        "Beta(mixup, mixup); 0: not at all",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="number format; auto: bf16 where it is native and measured 1.3x faster"
    )
    threads: AutoOrCount = Field(
        "auto",
        description="CPU threads a worker; auto: cores // workers (on a Ray cluster, of the "
        "workers that this machine would have)",
    )

    @property
    def augments(self) -> bool:
        """Whether training pictures are changed."""
        return augments(vars(self))


class Config(Section):
    """One run, from pictures to report."""

    name: Name = Field(description="free text; folders use its slug")
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        0, description="every random choice follows from it, but for Hyperband's brackets (name)"
    )
    data: DataConfig = Field(description="a mapping with at least data.source")
    space: SpaceConfig = Field(description="a mapping; {} takes every default")
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    retrain: RetrainConfig = RetrainConfig()

    def plain(self) -> dict[str, Any]:
        """Return the config as JSON-ready values that load to an equal config."""
        values = self.model_dump(mode="json")
        for key in searched_training(self):
            del values["training"][key]
        if self.search.objectives is not None:  # they say it
            del values["search"]["objective"]
        return values


def searched_training(config: Config) -> dict[str, Any]:
    """Return the training keys the space decides, with their dimensions."""
    space = config.space.training
    return {
        key: value for key in type(space).model_fields if (value := getattr(space, key)) is not None
    }
