"""How fast one network trains: against the plain script's loop, and against the machine's limit.

    python benchmarks/throughput.py --root data/cifar --turns 5

The network is 64-64-64 with kernels 5-3-5, the batch 128. In each turn everything is measured once,
so ratios within a turn hold on a machine that changes its pace. The machine's limit is the rate of
a 4096 x 4096 x 4096 matrix product in the same format with the same threads.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

import plain_script
from measuring import describe_machine, spread, write_result
from nas_cifar10.config.load import load_config
from nas_cifar10.data.dataset import read
from nas_cifar10.data.loader import shuffled_batches
from nas_cifar10.data.parts import Part, Parts
from nas_cifar10.networks.build import build, initialise
from nas_cifar10.networks.cost import cost
from nas_cifar10.search.executors import LocalProcesses
from nas_cifar10.segment import SEARCH, Segment, Trained
from nas_cifar10.space.candidate import Architecture, Block, Candidate
from nas_cifar10.training.engine import train_epochs, train_step
from nas_cifar10.training.lanes import Lanes
from nas_cifar10.training.memory import keep_freed_memory
from nas_cifar10.training.optim import OPTIMIZERS
from nas_cifar10.training.precision import autocast, num_cores

BLOCKS = (Block("conv", 64, 5), Block("conv", 64, 3), Block("conv", 64, 5))
NETWORK = Architecture(BLOCKS)
RATE = 0.00113
LOSS_RATES = (RATE, 1e-4)  # and the lowest of the plain space
BATCH = 128
STEPS = 50
CPU = torch.device("cpu")
FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data/cifar")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=12_800)
    parser.add_argument(
        "--precision", default="bf16", choices=FORMATS, help="the format the probe chose"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/throughput.json"))
    parser.add_argument("--plain", action="store_true", help="only print the plain script's rate")
    given = parser.parse_args()
    if given.plain:
        print(plain_epoch(given.root, given.pictures))
        return
    cores = num_cores()
    torch.set_num_threads(cores)
    keep_freed_memory()
    pictures = ours_pictures(given.root, given.pictures)
    measured: dict[str, Callable[[], float]] = {
        "plain script": lambda: plain_rate(given.root, given.pictures),
        f"fp32, {cores} threads": lambda: our_rate(pictures, "fp32"),
        f"{given.precision}, {cores} threads": lambda: our_rate(pictures, given.precision),
        f"{given.precision}, {cores} workers": lambda: workers_rate(
            pictures, given.precision, cores
        ),
        "fp32 product": lambda: product_rate(torch.float32),
        f"{given.precision} product": lambda: product_rate(FORMATS[given.precision]),
    }
    rates: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(given.turns):
        for name, measure in measured.items():
            rates[name].append(measure())
            print(f"{name:24} {rates[name][-1]:.4g}", flush=True)
    # A multiply-accumulate is two; backward is twice forward, but for the gradient of the pictures.
    priced = cost(NETWORK, pictures.shape, 10)
    flops = 6 * priced.macs - 2 * priced.layers[0].macs
    one, product = f"{given.precision}, {cores} threads", f"{given.precision} product"
    shares = [a * flops / b for a, b in zip(rates[one], rates[product], strict=True)]
    result: dict[str, Any] = {
        "largest_loss_difference_in_50_steps": loss_differences(pictures, cores),
        "command": shlex.join(["benchmarks/throughput.py", *sys.argv[1:]]),
        "data": "CIFAR-10 (JPEG)",
        "pictures_a_second": {n: spread(r) for n, r in rates.items() if "product" not in n},
        "times_the_plain_script": {
            name: spread([a / b for a, b in zip(rates[name], rates["plain script"], strict=True)])
            for name in rates
            if "threads" in name or "workers" in name
        },
        "product_flops_a_second": {n: spread(r) for n, r in rates.items() if "product" in n},
        "share_of_product_rate": spread(shares),
        "layers": layer_table(pictures, given.precision, cores),
        **describe_machine(),
    }
    write_result(given.out, result)
    for name, value in result.items():
        if name != "layers":
            print(name, value)
    for row in result["layers"]:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


def ours_pictures(root: str, number: int) -> Parts:
    """Return so many training pictures of all classes, and nothing to measure on."""
    overrides = ["data.source=image_folder", f"data.root={root}"]
    data = read(load_config(Path("configs/default.yaml"), overrides).data, seed=0)
    rows = data.split.train[torch.linspace(0, len(data.split.train) - 1, number).long()]
    return Parts(data.images, data.labels, rows, None, 10)


def plain_rate(root: str, number: int) -> float:
    """Return pictures a second of the plain script's epoch, in a process as it would run in."""
    command = [sys.executable, __file__, "--plain", "--root", root, "--pictures", str(number)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def plain_network() -> nn.Module:
    """Return the network as the plain script builds it."""
    values = {"num_layers": 3}
    for number, block in enumerate(NETWORK.blocks):
        values |= {f"channels_{number}": block.channels, f"kernel_{number}": block.kernel_size}
    from optuna.trial import FixedTrial

    return plain_script.Net(FixedTrial(values))


def plain_epoch(root: str, number: int) -> float:
    """Return pictures a second of the plain script's epoch, without the start of its workers."""
    pictures = plain_script.Pictures(Path(root) / "train", number)
    loader = DataLoader(pictures, batch_size=BATCH, shuffle=True, num_workers=2)
    network = plain_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    seen, started = 0, 0.0
    for images, labels in loader:
        started = started or time.perf_counter()
        seen += len(labels)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return seen / (time.perf_counter() - started)


def our_network() -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return the network and its optimizer as a segment makes them."""
    network = build(NETWORK, (3, 32, 32), 10)
    initialise(network, 0)
    network.to(memory_format=torch.channels_last)
    return network, OPTIMIZERS["adam"](network.parameters(), RATE)


def our_rate(pictures: Parts, precision: str) -> float:
    """Return pictures a second of our epoch in this process."""
    network, optimizer = our_network()

    def batches(epoch: int) -> Any:
        return shuffled_batches(pictures.train, BATCH, epoch)

    (epoch,) = train_epochs(network, optimizer, batches, [1], lambda epoch: 0, precision)
    return len(pictures.train) / epoch[1].seconds


def workers_rate(pictures: Parts, precision: str, workers: int) -> float:
    """Return pictures a second in sum of several workers with one thread each."""
    training = load_config(Path("configs/default.yaml"), ()).training
    candidate = Candidate(NETWORK, (("learning_rate", RATE),))
    with LocalProcesses(pictures, 1, CPU, workers) as executor:
        for epochs in (1, 3):  # the first epoch gets everybody ready
            for trial in range(workers):
                segment = Segment(
                    candidate, training, "", 0, SEARCH, trial, epochs, precision, precision
                )
                executor.submit(segment, None)
            results = [executor.result()[1] for _ in range(workers)]
    rates = []
    for result in results:
        assert isinstance(result, Trained)
        # Of three epochs the middle one: all workers are at it at the same time.
        rates.append(len(pictures.train) / result.epochs[1].seconds)
    return sum(rates)


def loss_differences(pictures: Parts, cores: int) -> dict[str, dict[str, float]]:
    """Return the largest difference of two loss curves of 50 steps, same weights and batches.

    In fp32 rounding grows from step to step, the faster the larger the learning rate: the plain
    loop itself, on another number of threads, is the scale. In fp64 there is hardly any, so what
    differs there is not rounding.
    """
    return {f"learning rate {rate}": loss_difference(pictures, cores, rate) for rate in LOSS_RATES}


def loss_difference(pictures: Parts, cores: int, rate: float) -> dict[str, float]:
    """Return the differences at one learning rate."""
    plain = plain_losses(pictures, torch.float32, cores, rate)
    ours = our_losses(pictures, torch.float32, cores, rate)
    exact = [losses(pictures, torch.float64, cores, rate) for losses in (plain_losses, our_losses)]
    return {
        "ours and plain, fp32": largest_difference(ours, plain),
        f"plain on 1 and on {cores} threads, fp32": largest_difference(
            plain_losses(pictures, torch.float32, 1, rate), plain
        ),
        "ours and plain, fp64": largest_difference(*exact),
    }


def largest_difference(one: list[float], other: list[float]) -> float:
    """Return the largest difference at the same step."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def our_losses(pictures: Parts, dtype: torch.dtype, threads: int, rate: float) -> list[float]:
    """Return the losses of our path."""
    torch.set_num_threads(threads)
    network, _ = our_network()
    network.to(dtype)
    optimizer = OPTIMIZERS["adam"](network.parameters(), rate)
    with Lanes(network) as lanes:
        return [
            train_step(lanes, optimizer, images.to(dtype), labels, "fp32")[1].item()
            for images, labels in islice(shuffled_batches(pictures.train, BATCH, 0), STEPS)
        ]


def plain_losses(pictures: Parts, dtype: torch.dtype, threads: int, rate: float) -> list[float]:
    """Return the losses of the plain script's network and optimizer."""
    torch.set_num_threads(threads)
    network, ours = plain_network(), our_network()[0].state_dict()
    network.load_state_dict(dict(zip(network.state_dict(), ours.values(), strict=True)))
    network.to(dtype)
    adam = torch.optim.Adam(network.parameters(), lr=rate)
    found = []
    for images, labels in islice(shuffled_batches(pictures.train, BATCH, 0), STEPS):
        loss = F.cross_entropy(network(images.to(dtype).contiguous()), labels)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        found.append(loss.item())
    return found


def product_rate(number_format: torch.dtype) -> float:
    """Return the FLOP/s of a large matrix product, the best of three."""
    size = 4096
    a, b = (torch.randn(size, size, dtype=number_format) for _ in range(2))
    best = min(timed(lambda: a @ b) for _ in range(3))
    return float(2 * size**3 / best)


def timed(act: Callable[[], Any]) -> float:
    """Return how many seconds a call takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def layer_table(
    pictures: Parts, precision: str, threads: int, repeats: int = 20
) -> list[dict[str, Any]]:
    """Return where a training step goes: milliseconds and GFLOP/s of each part, medians."""
    torch.set_num_threads(threads)
    network, optimizer = our_network()
    images, labels = next(iter(shuffled_batches(pictures.train, BATCH, 0)))
    rows = []
    x = images
    leaves = [(n, m) for n, m in network.named_modules() if not list(m.children())]
    for name, module in leaves:
        forward, backward, out = layer_times(module, x, precision, repeats, first=x is images)
        row: dict[str, Any] = {"part": f"{name} {type(module).__name__}"}
        row |= {"forward_ms": round(forward, 3), "backward_ms": round(backward, 3)}
        if isinstance(module, nn.Conv2d | nn.Linear):
            macs = out.numel() * module.weight[0].numel()
            passes = 2 if x is images else 3  # no gradient of the pictures themselves
            row["gflops"] = round(2 * macs * passes / (forward + backward) / 1e6)
        rows.append(row)
        x = out
    part = Part(pictures.images, pictures.labels, pictures.train_rows[:BATCH])

    def batch() -> None:
        next(iter(shuffled_batches(part, BATCH, 0)))

    def step() -> None:
        with Lanes(network) as lanes:
            train_step(lanes, optimizer, images, labels, precision)

    for name, act in (
        ("batch of uint8, normalised", batch),
        ("optimizer", optimizer.step),
        ("whole training step", step),
    ):
        milliseconds = 1e3 * statistics.median(timed(act) for _ in range(repeats))
        rows.append({"part": name, "forward_ms": round(milliseconds, 3)})
    return rows


def layer_times(
    module: nn.Module, x: Tensor, precision: str, repeats: int, *, first: bool
) -> tuple[float, float, Tensor]:
    """Return milliseconds forward and backward, and what the layer gives."""
    forward, backward = [], []
    for _ in range(repeats):
        given = x.detach().requires_grad_(not first)
        started = time.perf_counter()
        with autocast(CPU, precision):
            out = module(given)
        between = time.perf_counter()
        out.backward(torch.ones_like(out))
        forward.append(between - started)
        backward.append(time.perf_counter() - between)
    return 1e3 * statistics.median(forward), 1e3 * statistics.median(backward), out.detach()


if __name__ == "__main__":
    main()
