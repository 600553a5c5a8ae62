"""What only a GPU can show: a run trains there, and one on the CPU leaves it alone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas_cifar10.config.load import load_config
from nas_cifar10.data.dataset import read
from nas_cifar10.data.parts import Part
from nas_cifar10.model import probabilities, read_model
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RunFolder

# Not asked by torch: where that is asked here, what this process forks can't use a GPU any more.
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="needs an NVIDIA GPU"),
]

CONFIG = """
name: gpu
data: {source: digits, limit: 400}
space:
  depth: [1, 2]
  channels: [4, 8]
  kernel_size: 3
  kind: [conv, residual]
  norm: batch
  stem: whitening
  training: {learning_rate: {low: 1e-3, high: 1e-2, log: true}}
training:
  epochs: 2
  batch_size: 64
  translate: 1
  mixup: 0.2
  weight_averaging: 0.9
search: {trials: 4, cohort: 2, sampler: {startup_trials: 2}}
retrain: {epochs: 3}
"""


def nas(folder: Path, *words: str) -> None:
    """Run a command in a process of its own, which sees the GPU that this one may hide."""
    seen = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    command = [sys.executable, "-m", "nas_cifar10", *words, "--run", str(folder)]
    done = subprocess.run(command, env=seen, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "muon"])
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_a_model_trained_on_a_gpu_says_the_same_on_the_cpu(
    tmp_path: Path, optimizer: str, precision: str
) -> None:
    config, run = tmp_path / "gpu.yaml", RunFolder(tmp_path / "run")
    config.write_text(CONFIG)
    how = (f"training.optimizer={optimizer}", f"training.precision={precision}")
    sets = [word for override in how for word in ("--set", override)]
    nas(run.root, "run", "--config", str(config), "--device", "cuda", *sets)
    assert read_json(run.environment)["device"] == "cuda"
    nas(run.root, "retrain", "--resume", "--set", "retrain.epochs=4")
    assert read_json(run.retrain.metrics)["epochs"] == 4
    settings = load_config(run.config)
    data = read(settings.data, settings.seed)
    test = Part(data.images, data.labels, data.split.test)
    here = probabilities(read_model(run.retrain).network, test)
    there = np.load(run.retrain.predictions)["probabilities"]
    assert np.allclose(here, there, atol=0.01), "a GPU takes TF32 for fp32 convolutions"


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_several_workers_train(tmp_path: Path, device: str) -> None:
    """On the CPU they are forked, and Adam would take hold of a GPU in them."""
    config, run = tmp_path / "gpu.yaml", RunFolder(tmp_path / "run")
    config.write_text(CONFIG)
    nas(run.root, "run", "--config", str(config), "--device", device, "--workers", "2")
    assert read_json(run.search)["trials"]["failed"] == 0
    assert read_json(run.environment)["device"] == device
