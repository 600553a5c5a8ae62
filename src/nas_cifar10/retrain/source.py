"""Where a retrain begins that begins with another run's weights; trains nothing."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from nas_cifar10.config.candidate import ArchitectureConfig
from nas_cifar10.config.dimensions import folder_at
from nas_cifar10.config.retrain import RetrainConfig
from nas_cifar10.config.rules import outside
from nas_cifar10.config.schema import Config
from nas_cifar10.errors import BadDataError, ConfigError, MissingInputError
from nas_cifar10.model import Model, read_model
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.reading import read_bytes
from nas_cifar10.segment import Start
from nas_cifar10.space.candidate import Architecture, Candidate
from nas_cifar10.study.rows import Trial

_KEY = "retrain.start_from"


@dataclass(frozen=True, eq=False)
class Source:
    """A model whose weights are taken over.

    Args:
        run: As the config names it.
        digest: SHA-256 of its model.pt.
    """

    run: str
    model: Model
    digest: str

    def start(self, frozen: int) -> Start:
        """Return what a segment begins with."""
        return Start(self.model.network.state_dict(), self.digest, frozen)

    def describe(self) -> dict[str, Any]:
        """Return what model.json says of it; its own words are shortened to plain values."""
        origin = self.model.provenance
        known = {key: origin.get(key) for key in ("study", "trial", "fingerprint")}
        plain = {key: v for key, v in known.items() if isinstance(v, str | int)}
        return {"run": self.run, "sha256": self.digest, **plain}


def source_of(settings: RetrainConfig) -> Source | None:
    """Read the model that `retrain.start_from` names, without running anything in it.

    Raises:
        MissingInputError: there is none.
        BadDataError: it is damaged.
    """
    if settings.start_from is None:
        return None
    folder = RunFolder(folder_at(settings.start_from)).retrain
    try:
        model = read_model(folder)
        digest = hashlib.sha256(read_bytes(folder.model)).hexdigest()
    except (BadDataError, MissingInputError) as error:
        raise type(error)(f"{_KEY}: {error}") from None
    return Source(settings.start_from, model, digest)


def check_space(source: Source, config: Config, run: RunFolder) -> None:
    """Check, before a search, that a network of its space could begin with these weights.

    Args:
        run: Where the search's own model will be.

    Raises:
        ConfigError: none could, whichever it finds.
    """
    _check_other(source, run)
    _check_colours(source, config.data.channels)
    architecture, frozen = source.model.architecture, config.retrain.freeze
    written = ArchitectureConfig.model_validate(
        Candidate(architecture, ()).to_json()["architecture"]
    )
    for key, said in outside(config.space, written, ["stem"]):
        raise ConfigError(
            f"{_KEY}: {source.run}: no network of this space is its network: {key}: {said}; "
            f"let the space hold it, alone if it is to be the one found"
        )
    _check_frozen(frozen, architecture, source.run)


def check(source: Source, run: RunFolder, trial: Trial, channels: int, frozen: int) -> None:
    """Check that a trial can begin with these weights.

    Raises:
        ConfigError: the networks differ in more than the head, or the pictures in their colours.
    """
    _check_other(source, run)
    _check_colours(source, channels)
    architecture = trial.candidate.architecture
    found = next(_differences(source.model.architecture, architecture), None)
    if found is not None:
        raise ConfigError(
            f"{_KEY}: {source.run}: its network must be that of trial {trial.number} in all but "
            f"the head: {found}; search a space that holds that network alone, or choose another "
            f"--trial"
        )
    _check_frozen(frozen, architecture, f"trial {trial.number}")


def _check_other(source: Source, run: RunFolder) -> None:
    if folder_at(source.run).resolve() == run.root.resolve():
        raise ConfigError(
            f"{_KEY}: {source.run}: is the run itself, whose model is replaced; name another run"
        )


def _check_frozen(frozen: int, architecture: Architecture, whose: str) -> None:
    most = len(architecture.blocks)
    if frozen > most:
        raise ConfigError(
            f"retrain.freeze: must be at most {most}, the blocks of {whose}, got {frozen}"
        )


def _check_colours(source: Source, channels: int) -> None:
    theirs = source.model.shape[0]
    if theirs != channels:
        raise ConfigError(
            f"{_KEY}: {source.run}: its pictures have {theirs} channels, these have {channels}; "
            f"name a run on pictures alike"
        )


def _differences(theirs: Architecture, ours: Architecture) -> Iterator[str]:
    if theirs.stem != ours.stem:
        yield f"stem is {theirs.stem} there, {ours.stem} here"
    if len(theirs.blocks) != len(ours.blocks):
        yield f"{len(theirs.blocks)} blocks there, {len(ours.blocks)} here"
    for number, (their, our) in enumerate(zip(theirs.blocks, ours.blocks, strict=False), start=1):
        here = asdict(our)
        for key, value in asdict(their).items():
            if value != here[key]:
                yield f"{key} of block {number} is {value} there, {here[key]} here"
