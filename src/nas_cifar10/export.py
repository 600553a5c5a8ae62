"""A trained model as ONNX or as a torch.export program, proved equal before it gets its name.

Knows neither how the model was trained nor who will load the file.
"""

import importlib
import io
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nas_cifar10 import interrupts
from nas_cifar10.config.load import load_config
from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data.dataset import read_again
from nas_cifar10.data.loader import normalise
from nas_cifar10.data.parts import Part
from nas_cifar10.data.sources import is_there
from nas_cifar10.errors import (
    BadDataError,
    ConfigError,
    MissingInputError,
    MissingPackageError,
    NasError,
)
from nas_cifar10.model import Model, probabilities
from nas_cifar10.runs.files import write_atomic
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.training.metrics import Probabilities

TOLERANCE = 1e-4  # of a probability: what another order of fp32 sums may change, and no more
METADATA = "metadata.json"  # in a .pt2 file, what ONNX has as metadata properties


class FromPixels(nn.Module):
    """The network with everything around it: uint8 (N, C, H, W) to probabilities (N, classes)."""

    def __init__(self, network: nn.Module) -> None:
        """Keep the network."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Normalise as in training, ask the network, and take the softmax."""
        said: Tensor = self.network(normalise(images))
        return said.softmax(1)


def metadata(model: Model) -> dict[str, str]:
    """Return what the file says of itself: each value is text, lists and mappings as JSON."""
    colours = "grey" if model.shape[0] == 1 else "RGB"
    return {
        "class_names": json.dumps(model.class_names),
        "input": f"images: uint8, (batch, channels, height, width), {colours}, 0 to 255",
        "input_range": json.dumps([0, 255]),
        "picture_shape": json.dumps(model.shape),
        "output": "probabilities: float32, (batch, classes)",
        "provenance": json.dumps(dict(model.provenance)),
    }


def traced(model: Model) -> torch.export.ExportedProgram:
    """Trace the network for batches of any size."""
    images = torch.zeros(2, *model.shape, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(
        FromPixels(model.network).eval(), (images,), dynamic_shapes={"images": {0: batch}}
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # where in this machine's folders our code lies
    return program


def _onnx(model: Model) -> bytes:
    import onnx

    program = torch.onnx.export(
        traced(model),
        input_names=["images"],
        output_names=["probabilities"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    proto = program.model_proto
    for node in proto.graph.node:
        del node.metadata_props[:]  # torch's notes on its own way of working
    onnx.helper.set_model_props(proto, metadata(model))
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def _pt2(model: Model) -> bytes:
    content = io.BytesIO()
    extra = {METADATA: json.dumps(metadata(model))}
    torch.export.save(traced(model), content, extra_files=extra)
    return content.getvalue()


@dataclass(frozen=True)
class Format:
    """A form a model can be written in.

    Args:
        needs: Packages that the extra `[export]` brings.
    """

    title: str
    content: Callable[[Model], bytes]
    needs: tuple[str, ...] = ()


FORMATS = {
    "onnx": Format("ONNX", _onnx, ("onnx", "onnxruntime", "onnxscript")),
    "pt2": Format("torch.export", _pt2),
}


def check_needed(form: str) -> None:
    """Check that the format is one of ours and its packages are there.

    Raises:
        ConfigError: it is not.
        MissingPackageError: what it takes is not installed.
    """
    if form not in FORMATS:
        raise ConfigError(f"--format: must be {' or '.join(FORMATS)}, got {form!r}")
    for name in FORMATS[form].needs:
        try:
            importlib.import_module(name)
        except ImportError:
            raise MissingPackageError(f"--format {form}:", name, "export") from None


def pictures_of_run(run: RunFolder, model: Model) -> tuple[str, Part]:
    """Read the pictures again that an export is checked on.

    Returns:
        `test` and the test pictures; `validation` and those, where the test set stays unread.

    Raises:
        BadDataError: model.json does not say which they are.
        MissingInputError: they are gone.
        StateError: they are others than the model was made with.
    """
    config, origin = load_config(run.config), model.provenance
    try:
        fingerprint, tested = str(origin["data"]["fingerprint"]), bool(origin["retrain"]["test"])
    except (KeyError, TypeError):
        raise BadDataError(
            f"{run.retrain.description}: does not say which pictures the model was made with"
        ) from None
    try:
        _check_there(config.data)
        data = read_again(config.data, config.seed, fingerprint)
    except MissingInputError as error:
        raise MissingInputError(
            f"{error}\nan export is checked on the run's own pictures, and they are gone: "
            f"put them back"
        ) from None
    name = "test" if tested else "validation"
    return name, Part(data.images, data.labels, getattr(data.split, name))


def _check_there(config: DataConfig) -> None:
    if not is_there(config):  # it would be downloaded
        raise MissingInputError(f"{config.root}: CIFAR-10 is not here; nas data fetches it")


def export_model(model: Model, form: str, path: Path, part: Part) -> float:
    """Write the model, have a fresh process load the file, and compare what the two say.

    Returns:
        The largest difference of a probability.

    Raises:
        NasError: the file cannot be loaded, or says something else; it is not there then.
        CannotCreateError, StorageError: it cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on torch's own code
        content = FORMATS[form].content(model)
    expected, differences = probabilities(model.network, part), []

    def check(unnamed: Path) -> None:
        differences.append(compared(expected, _asked(unnamed, form, part, len(model.class_names))))

    write_atomic(path, content, check)
    return differences[0]


def _asked(path: Path, form: str, part: Part, num_classes: int) -> Probabilities:
    """Return what a process that has none of our networks' code gets out of the file."""
    images = np.ascontiguousarray(part.images[part.rows].cpu().numpy())
    shape = [str(size) for size in images.shape]
    # -P: a file in the folder we were called in is no module.
    command = [sys.executable, "-P", "-m", "nas_cifar10.export_check", form, str(path), *shape]
    done = subprocess.run(command, input=images.data.cast("B"), capture_output=True)
    interrupts.check()
    if done.returncode:
        ended = f"what loaded it ended with code {done.returncode}, out of memory perhaps"
        reason = done.stderr.decode(errors="replace").strip().splitlines() or [ended]
        raise NasError(f"the exported file cannot be used, and was not kept: {reason[-1]}")
    return np.frombuffer(done.stdout, np.float32).reshape(-1, num_classes)


def compared(expected: Probabilities, found: Probabilities) -> float:
    """Return the largest difference.

    Raises:
        NasError: a picture gets another class, or a probability differs by more than `TOLERANCE`.
    """
    if found.shape != expected.shape:
        raise NasError(f"the exported file answers {found.shape}, not {expected.shape}; not kept")
    flipped = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
    worst = float(np.abs(found - expected).max())
    if flipped or not worst <= TOLERANCE:  # not `>`: NaN is no equal either
        raise NasError(
            f"the exported file says something else than the model, and was not kept: "
            f"{flipped:,} of {len(expected):,} pictures get another class, "
            f"probabilities differ by up to {worst:.2g} (at most {TOLERANCE:g} is allowed)"
        )
    return worst
