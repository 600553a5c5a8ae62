"""The unit of work: train one candidate from epoch a to epoch b.

Data, networks and training meet here. A segment is a pure function of its inputs: what an epoch
draws at random follows from (seed, stream, trial, epoch), so a checkpoint between two epochs is
all the state there is, and any number of segments equals one.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from nas_cifar10.config.schema import TrainingConfig
from nas_cifar10.data.augment import training_batches
from nas_cifar10.data.loader import batches, normalise
from nas_cifar10.data.parts import Parts
from nas_cifar10.epochs import Epoch, Scores
from nas_cifar10.errors import BadDataError, UnreadableError
from nas_cifar10.networks.build import build, initialise, move
from nas_cifar10.networks.transfer import begin_with, freeze
from nas_cifar10.networks.whitening import whiten
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.training import metrics
from nas_cifar10.training.average import Average
from nas_cifar10.training.checkpoint import epochs_in, load_state, packed
from nas_cifar10.training.engine import DivergedError, Outputs, Recipe, evaluate, train_epochs
from nas_cifar10.training.optim import check_groups, check_moments, make_optimizer
from nas_cifar10.training.precision import is_out_of_memory
from nas_cifar10.training.rates import RATES

SEARCH, RETRAIN, RETRAIN_TRAIN_ONLY = 0, 1, 2
# Epochs count from 1, so 0 is free to seed what an epoch does not change: the first weights, and
# which pictures begin mirrored.
_INITIAL = 0
_WHITENING_PIXELS = 200_000  # about so many patches, for a covariance of 12x12


class OtherTrainingError(BadDataError):
    """A checkpoint was saved by the training of something else, or of the same in another way."""


@dataclass(frozen=True, eq=False)
class Start:
    """What a training begins with that does not begin at random.

    Args:
        state: A network's weights by name; those of the last layer are drawn all the same.
        digest: SHA-256 of the file they come from.
        frozen: So many blocks, and the stem, stay as they are.
    """

    state: Mapping[str, Tensor]
    digest: str
    frozen: int


@dataclass(frozen=True)
class Segment:
    """What to train and for how long.

    Args:
        training: The config's section; the candidate's own values take precedence. Its `epochs` are
            those of the whole training, wherever a segment stops: the learning rate runs over them.
        data: Fingerprint of all pictures.
        seed: The config's.
        stream: `SEARCH`, `RETRAIN` or `RETRAIN_TRAIN_ONLY`: each draws its own random numbers. Each
            further seed of a retrain adds 2.
        trial: The trial's number.
        stop: Epochs done at its end; it starts where the checkpoint stands.
        precision: `fp32` or `bf16`.
        measure_precision: The same for the held-out pictures.
        with_auc: Measure the areas under the ROC curves too.
        start: What the first weights are; None: drawn.
    """

    candidate: Candidate
    training: TrainingConfig
    data: str
    seed: int
    stream: int
    trial: int
    stop: int
    precision: str
    measure_precision: str
    with_auc: bool = False
    start: Start | None = None


@dataclass(frozen=True)
class Trained:
    """All epochs of the trial so far, and the bytes from which the next segment goes on."""

    epochs: tuple[Epoch, ...]
    checkpoint: bytes


@dataclass(frozen=True)
class Failed:
    """The candidate cannot be trained, and why."""

    reason: str


def train_segment(segment: Segment, pictures: Parts, checkpoint: bytes | None) -> Trained | Failed:
    """Train from where the checkpoint stands to epoch `segment.stop`.

    Args:
        checkpoint: What the segment before returned; None at the start.

    Raises:
        BadDataError: the checkpoint is damaged or belongs to something else.
    """
    training, done = merged(segment), []
    try:
        learner = _prepare(segment, training, pictures, fresh=checkpoint is None)
        if checkpoint is not None:
            done = _restore(segment, checkpoint, learner)
        for epoch, outputs in train_epochs(
            learner.network,
            learner.optimizer,
            lambda epoch: _batches(segment, training, pictures, epoch),
            range(len(done) + 1, segment.stop + 1),
            lambda epoch: _seed(segment, epoch),
            segment.precision,
            learner.recipe,
        ):
            done.append(_measure(segment, learner.measured, pictures, epoch, outputs))
        return Trained(tuple(done), packed(identity(segment), done, **learner.state()))
    except DivergedError as error:
        return Failed(f"diverged: {error}")
    except (MemoryError, RuntimeError, UnreadableError) as error:
        if not is_out_of_memory(error):
            raise
        return Failed("out of memory")


@dataclass(frozen=True)
class _Learner:
    """What learns, and how."""

    network: nn.Module
    optimizer: Optimizer
    recipe: Recipe

    @property
    def measured(self) -> nn.Module:
        """The averaged network where there is one."""
        return self.recipe.average.network if self.recipe.average else self.network

    def parts(self) -> dict[str, nn.Module | Optimizer]:
        """Return everything that an epoch changes, by its name in a checkpoint."""
        average = {"average": self.measured} if self.recipe.average else {}
        return {"network": self.network, "optimizer": self.optimizer, **average}

    def state(self) -> dict[str, dict[str, Any]]:
        """Return what the next segment goes on from."""
        return {name: part.state_dict() for name, part in self.parts().items()}


def merged(segment: Segment) -> TrainingConfig:
    """Return the config's training section with the candidate's own values in it, checked again."""
    values = segment.training.model_dump() | dict(segment.candidate.training)
    return TrainingConfig.model_validate(values)


def _seed(segment: Segment, epoch: int) -> int:
    words = [segment.seed, segment.stream, segment.trial, epoch]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def _batches(
    segment: Segment, training: TrainingConfig, pictures: Parts, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    seed, first_seed = _seed(segment, epoch), _seed(segment, _INITIAL)
    part, num_classes = pictures.train, pictures.num_classes
    return training_batches(part, training, num_classes, epoch, seed, first_seed)


def _prepare(
    segment: Segment, training: TrainingConfig, pictures: Parts, *, fresh: bool
) -> _Learner:
    """Make what learns; its first weights are of use only where it is fresh."""
    architecture, part = segment.candidate.architecture, pictures.train
    network = _built(segment, pictures.shape, pictures.num_classes)
    initialise(network, _seed(segment, _INITIAL), architecture.initialisation)
    if fresh and segment.start is not None:
        begin_with(network, segment.start.state)
    elif fresh and architecture.stem == "whitening":
        whiten(network, normalise(part.spread(_WHITENING_PIXELS)))
    move(network, part.images.device)
    optimizer = make_optimizer(network, training)
    return _Learner(network, optimizer, _recipe(training, network, len(part)))


def _built(segment: Segment, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    network = build(segment.candidate.architecture, shape, num_classes)
    freeze(network, segment.start.frozen if segment.start else 0)
    return network


def _recipe(training: TrainingConfig, network: nn.Module, num_pictures: int) -> Recipe:
    steps = math.ceil(num_pictures / training.batch_size)
    total, decay = steps * training.epochs, training.weight_averaging
    return Recipe(
        label_smoothing=training.label_smoothing,
        steps_an_epoch=steps,
        factor=lambda step: RATES[training.schedule](step, total),
        average=Average(network, decay) if decay else None,
    )


def _measure(
    segment: Segment, network: nn.Module, pictures: Parts, epoch: int, outputs: Outputs
) -> Epoch:
    seconds, held_out = outputs.seconds, None
    if pictures.held_out is not None:
        said = evaluate(network, batches(pictures.held_out), segment.measure_precision)
        if not bool(said.logits.isfinite().all()):
            raise DivergedError(f"not a finite number when measured after epoch {epoch}")
        seconds, held_out = seconds + said.seconds, _scores(said, segment.with_auc)
    return Epoch(epoch, _scores(outputs, segment.with_auc), held_out, seconds)


def _scores(outputs: Outputs, with_auc: bool) -> Scores:
    labels, num_classes = outputs.labels.numpy(), outputs.logits.shape[1]
    f1 = metrics.macro_f1(outputs.predicted.numpy(), labels, num_classes)
    auc = metrics.macro_auc(outputs.probabilities.numpy(), labels) if with_auc else None
    return Scores(outputs.loss, outputs.accuracy, f1, auc)


# What is raised where a file's values are not those of the network and its optimizer.
_MISFITS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def _restore(segment: Segment, checkpoint: bytes, learner: _Learner) -> list[Epoch]:
    state = load_state(checkpoint)
    if state["belongs_to"] != identity(segment):
        raise OtherTrainingError("checkpoint: belongs to another trial")
    try:
        check_groups(learner.optimizer, state["optimizer"])
        for name, part in learner.parts().items():
            part.load_state_dict(state[name])
        check_moments(learner.optimizer)
        return epochs_in(state)
    except _MISFITS as error:
        if is_out_of_memory(error):
            raise
        raise BadDataError("checkpoint: damaged, it does not fit its network") from error


def epochs_before(
    segment: Segment, checkpoint: bytes, shape: tuple[int, int, int], num_classes: int
) -> tuple[Epoch, ...]:
    """Return the epochs after which a stored checkpoint stands, if training can go on from it.

    Args:
        shape: C, H, W of one picture.

    Raises:
        BadDataError: it is damaged.
        OtherTrainingError: it belongs to something else.
        UnreadableError: there is not enough memory for it now.
    """
    training = merged(segment)
    try:
        network = _built(segment, shape, num_classes)
        recipe = _recipe(training, network, num_pictures=1)  # of which nothing is used
        learner = _Learner(network, make_optimizer(network, training), recipe)
        return tuple(_restore(segment, checkpoint, learner))
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise UnreadableError("checkpoint: does not fit into memory") from None
        raise


def identity(segment: Segment) -> str:
    """Return what a checkpoint must have been saved under for this segment to go on from it."""
    training = merged(segment)
    endless = {"epochs"} if training.schedule == "constant" else set()
    words = (
        segment.candidate.fingerprint(),
        training.model_dump_json(exclude=endless),
        segment.data,
        segment.seed,
        segment.stream,
        segment.trial,
        segment.precision,
        *((segment.start.digest, segment.start.frozen) if segment.start else ()),
    )
    return " ".join(map(str, words))
