"""Signals are noted once, asked about between steps, and cut short only what may be cut."""

import importlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas_cifar10 import interrupts
from nas_cifar10.interrupts import SIGNALS, Interrupted, check, listen


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(interrupts, "_received", None)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_raised_where_work_asks(number: signal.Signals) -> None:
    listen()
    check()
    signal.raise_signal(number)
    with pytest.raises(Interrupted) as caught:
        check()
    assert caught.value.signal_number == number


def test_a_second_signal_meets_the_systems_own_handler() -> None:
    listen()
    signal.raise_signal(signal.SIGTERM)
    assert {signal.getsignal(number) for number in SIGNALS} == {signal.SIG_DFL}


def test_a_wait_that_can_be_cut_is_cut_in_the_middle() -> None:
    listen()
    with pytest.raises(Interrupted), interrupts.at_once():
        signal.raise_signal(signal.SIGINT)
    assert not interrupts._at_once, "only while it lasts"


def test_a_wait_is_not_begun_once_a_signal_has_come() -> None:
    listen()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(Interrupted), interrupts.at_once():
        pytest.fail("it was begun")


def test_modules_are_loaded_until_a_signal_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signalled = "import signal\nsignal.raise_signal(signal.SIGINT)\nimport made_second\n"
    (tmp_path / "made_first.py").write_text(signalled)
    (tmp_path / "made_second.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    listen()
    with pytest.raises(Interrupted), interrupts.loading():
        importlib.import_module("made_first")
    assert "made_second" not in sys.modules
    assert sys.meta_path == before


def test_a_signal_that_was_ignored_from_the_start_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listen()
    signal.raise_signal(signal.SIGINT)
    check()


def test_the_last_moments_are_not_disturbed() -> None:
    listen()
    interrupts.ignore()
    signal.raise_signal(signal.SIGTERM)
    check()
