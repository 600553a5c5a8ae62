"""Number format, device and threads: what is asked for, what is there, what is measured."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nas_cifar10.errors import ConfigError
from nas_cifar10.training import precision

CPU = torch.device("cpu")


def unexpected() -> Callable[[str], None]:
    raise AssertionError("nothing is probed")


@pytest.mark.parametrize("requested", ["fp32", "bf16"])
def test_a_format_that_was_asked_for_is_not_probed(requested: str) -> None:
    assert precision.resolve_precision(requested, CPU, unexpected) == (requested, None)


def test_auto_is_fp32_without_a_probe_where_bf16_is_not_native(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: False)
    assert precision.resolve_precision("auto", CPU, unexpected) == ("fp32", None)


@pytest.mark.parametrize(
    ("speedup", "expected"), [(0.8, "fp32"), (1.29, "fp32"), (1.3, "bf16"), (2.345, "bf16")]
)
def test_auto_is_bf16_only_where_it_was_measured_fast_enough(
    monkeypatch: pytest.MonkeyPatch, speedup: float, expected: str
) -> None:
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    monkeypatch.setattr(precision, "_speedup", lambda step, device: speedup)
    found = precision.resolve_precision("auto", CPU, lambda: lambda format_: None)
    assert found == (expected, round(speedup, 2))


def test_the_probe_compares_the_formats_within_each_turn_and_takes_the_median(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, asked = 0.0, []
    # The first turn takes longest; later one turn of both is disturbed, and one of fp32 alone.
    seconds = {"fp32": [9, 4, 40, 4, 50, 4], "bf16": [9, 2, 20, 2, 2, 2]}
    steps = precision.STEPS_A_TURN
    taken = {
        name: iter([v for v in values for _ in range(steps)]) for name, values in seconds.items()
    }

    def step(format_: str) -> None:
        nonlocal now
        now += next(taken[format_])
        asked.append(format_)

    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    monkeypatch.setattr("time.perf_counter", lambda: now)
    assert precision.resolve_precision("auto", CPU, lambda: step) == ("bf16", 2.0)
    turn = ["fp32"] * steps + ["bf16"] * steps
    assert asked == turn * (precision.PROBE_TURNS + 1)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_auto_is_fp32_where_the_largest_network_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def prepare() -> Callable[[str], None]:
        raise error

    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    assert precision.resolve_precision("auto", CPU, prepare) == ("fp32", None)


def test_another_failure_of_the_probe_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare() -> Callable[[str], None]:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        precision.resolve_precision("auto", CPU, prepare)


@pytest.mark.parametrize(
    ("requested", "workers", "cores", "expected"),
    [("auto", 1, 8, 8), ("auto", 3, 8, 2), ("auto", 16, 8, 1), (5, 1, 8, 5), (5, 4, 2, 5)],
)
def test_threads_are_shared_among_workers_unless_they_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, requested: str | int, workers: int, cores: int, expected: int
) -> None:
    monkeypatch.setattr(precision, "num_cores", lambda: cores)
    assert precision.resolve_threads(requested, workers) == expected


@pytest.mark.parametrize(
    ("limit", "most"),
    [("100000 100000", 1), ("150000 100000", 2), ("5000 100000", 1), ("max 100000", 10**6)],
)
def test_cores_are_those_this_process_may_run_on_and_its_container_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(precision, "CPU_LIMIT", tmp_path / "cpu.max")
    assert precision.num_cores() == 64
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert precision.num_cores() == min(64, most)


def test_the_cpu_is_always_there_and_no_gpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked whether it is there, CUDA refuses to be used by whatever is forked from then on."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("it was asked"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert precision.resolve_device("cpu") == CPU
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "", "torch's Adam would take hold of it"


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "cpu"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device_that_has_been_tried(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert precision.resolve_device("auto").type == expected


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="--device: must be auto, cpu, cuda or mps, got 'tpu'"):
        precision.resolve_device("tpu")


def test_a_device_that_is_absent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"--device: this machine has no cuda .* use cpu"):
        precision.resolve_device("cuda")
    with pytest.raises(ConfigError, match="no cuda"):
        precision.stored_device("cpu", "cuda")


def test_a_study_goes_on_elsewhere_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert precision.stored_device("cpu") == precision.stored_device("cpu", "cpu") == CPU
        assert not caplog.records
        assert precision.stored_device("cuda") == CPU
    assert caplog.messages == ["the study was made on cuda, not on cpu: numbers differ"]


def test_the_processor_has_a_name() -> None:
    assert precision.processor()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("x"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: x"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_running_out_of_memory_is_known_in_all_its_forms(error: Exception, expected: bool) -> None:
    assert precision.is_out_of_memory(error) is expected
