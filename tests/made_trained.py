"""Finished runs for tests, made by the real command in seconds; and calling it."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from typer.testing import CliRunner, Result

from made_report import undrawn
from nas_cifar10.cli.app import app
from nas_cifar10.data.parts import Part
from nas_cifar10.model import Model, Shape, network_with
from nas_cifar10.networks.build import build, initialise
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.space.candidate import Architecture, Block

CONFIG = """\
name: tiny run
data: {source: digits, limit: 300}
space: {depth: 2, channels: [4, 8], kernel_size: 3, training: {learning_rate: [0.003, 0.01]}}
training: {epochs: 2, batch_size: 16, precision: fp32, threads: 1}
search: {trials: 2, cohort: 2}
retrain: {epochs: 3}
"""


def nas(*words: object, drawn: bool = False) -> Result:
    """Call the command; its page and figures are left out, unless they are what is asked for."""
    with nullcontext() if drawn else undrawn(words[0]):
        return CliRunner().invoke(app, list(map(str, words)))


def refused(code: int, *words: object) -> str:
    result = nas(*words)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stderr


def trained_run(folder: Path, *overrides: str, drawn: bool = False) -> RunFolder:
    """Search and retrain in `folder`; draw the report where a test looks at it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG)
    words = [word for override in overrides for word in ("--set", override)]
    command = ("run", "--config", folder / "config.yaml", "--run", folder / "run", *words, "-q")
    result = nas(*command, drawn=drawn)
    assert result.exit_code == 0, result.output
    return RunFolder(folder / "run")


def made_model(
    kind: str = "conv",
    shape: Shape = (3, 16, 16),
    seed: int = 0,
    architecture: Architecture | None = None,
) -> Model:
    """Return a model of two blocks, or of another architecture, with drawn weights."""
    architecture = architecture or Architecture((Block(kind, 8, 3), Block(kind, 6, 5)))
    drawn = build(architecture, shape, 4)
    initialise(drawn, seed)
    network = network_with(drawn.state_dict(), architecture, shape, 4)
    provenance: dict[str, Any] = {"study": "made", "seed": seed}
    return Model(architecture, network, shape, ("a", "b", "c", "d"), provenance)


def made_part(shape: Shape = (3, 16, 16), num: int = 300) -> Part:
    """Return noise, which a network has an opinion on too."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (num, *shape), dtype=torch.uint8, generator=generator)
    return Part(images, torch.zeros(num, dtype=torch.int64), torch.arange(num))
