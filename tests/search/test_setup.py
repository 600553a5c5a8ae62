"""Before the first trial: what is refused, what is written, what is decided once."""

import json
import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from made_search import begin, digits, go, place_in, reopen, search_config, table, take_up
from made_study import made_facts, no_waiting
from nas_cifar10 import interrupts
from nas_cifar10.config.load import config_from_plain
from nas_cifar10.config.schema import Config
from nas_cifar10.data.parts import search_parts
from nas_cifar10.data.split import divide
from nas_cifar10.errors import (
    BadDataError,
    CannotCreateError,
    ConfigError,
    MissingInputError,
    NasError,
    StateError,
)
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.files import read_json, write_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.place import Place
from nas_cifar10.search import executors, probe, record, setup, sharing
from nas_cifar10.search.dry_run import dry_run
from nas_cifar10.search.executors import InProcess
from nas_cifar10.search.resolved import resolve
from nas_cifar10.search.setup import existing, go_on, start
from nas_cifar10.space.search_space import SearchSpace
from nas_cifar10.study.storage import create_study, open_study
from nas_cifar10.training import precision

SHORT = ("search.trials=2", "training.epochs=1")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_in(tmp_path / "run")


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder with its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_new_run_is_described_before_its_first_trial(place: Place) -> None:
    config = search_config()
    ready = begin(config, place)
    assert set(content(place.run.root)) == {
        "study.db",
        "config.yaml",
        "environment.json",
        "pictures.npz",
    }
    written = yaml.safe_load(place.run.config.read_text())
    assert config_from_plain(written) == config
    found = read_json(place.run.environment)
    expected = {
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "workers": 1,
        "bf16_speedup": None,
        "study": "made",
        "database": "study.db",
        "resumed_at": [],
    }
    assert {key: found[key] for key in expected} == expected
    assert found["versions"]["torch"] == version("torch")
    with np.load(place.run.pictures) as sample:
        assert sample["sample_images"].shape == (25, 8, 8, 1)
        assert sample["sample_images"].dtype == np.uint8
        assert sample["sample_labels"].shape == (25,)
    assert ready.study.trials() == []
    assert ready.study.facts.data["class_names"] == list("0123456789")


def test_parts_for_training_and_measuring_are_those_of_the_split(place: Place) -> None:
    ready = begin(search_config(), place)
    parts = search_parts(ready.data)
    assert torch.equal(parts.train.rows, ready.data.split.train)
    held_out = parts.held_out
    assert held_out is not None
    assert torch.equal(held_out.rows, ready.data.split.validation)
    assert (parts.shape, parts.num_classes) == ((1, 8, 8), 10)


def test_an_existing_run_is_refused_without_a_flag(place: Place) -> None:
    begin(search_config(), place)
    before = content(place.run.root)
    with pytest.raises(CannotCreateError, match=r"holds a run already.*--resume.*--overwrite"):
        existing(place, resume=False, overwrite=False)
    assert content(place.run.root) == before


def test_a_study_elsewhere_is_refused_without_a_flag_too(place: Place, tmp_path: Path) -> None:
    begin(search_config(), place)
    other = Place(place_in(tmp_path / "other").run, place.database, "made")
    with pytest.raises(CannotCreateError, match="study 'made'"):
        existing(other, resume=False, overwrite=False)


def test_a_folder_of_another_study_is_not_resumed(place: Place) -> None:
    begin(search_config(), place)
    before = content(place.run.root)
    other = Place(place.run, place.database, "Made!")  # its folder has the same name
    with pytest.raises(CannotCreateError, match=r"study 'made' in .*, not of 'Made!' in "):
        existing(other, resume=True, overwrite=False)
    assert content(place.run.root) == before


def test_resuming_where_nothing_is_starts_afresh(place: Place) -> None:
    assert existing(place, resume=True, overwrite=False) is None


def test_overwriting_removes_the_old_run_and_nothing_else(place: Place) -> None:
    go(begin(search_config(*SHORT), place).study, place)
    create_study(place.database, "neighbour", made_facts(search_config()))
    (place.run.root / "notes.txt").write_text("mine")
    place.run.retrain.root.mkdir()
    place.run.retrain.model.write_bytes(b"old")
    (place.run.retrain.root / "notes.txt").write_text("mine")
    ready = begin(search_config("seed=2", *SHORT), place, overwrite=True)
    assert ready.study.trials() == []
    assert ready.study.config.seed == 2
    assert set(content(place.run.root)) == {
        "study.db",
        "config.yaml",
        "environment.json",
        "pictures.npz",
        "notes.txt",
        "retrain/notes.txt",
    }
    assert open_study(place.database, "neighbour").name == "neighbour"
    assert read_json(place.run.environment)["resumed_at"] == []


def test_overwriting_leaves_a_neighbour_of_the_same_name_in_another_file(place: Place) -> None:
    begin(search_config(*SHORT), place)
    other = replace(place, database=Database(path=place.run.root / "other.db"))
    create_study(other.database, "made", made_facts(search_config()))
    begin(search_config(*SHORT), replace(other, study_name="new"), overwrite=True)
    assert open_study(other.database, "made").name == "made"
    assert open_study(place.database, "made").name == "made"


def test_an_overwriting_that_is_killed_and_said_again_leaves_no_old_study(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(search_config(*SHORT), place)
    renamed = replace(place, study_name="new")
    clear = RunFolder.clear

    def killed(run: RunFolder) -> None:
        clear(run)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "clear", killed)
        with pytest.raises(KeyboardInterrupt):
            begin(search_config(*SHORT), renamed, overwrite=True)
    begin(search_config(*SHORT), renamed, overwrite=True)
    assert open_study(place.database, None).name == "new"


def test_a_run_that_is_half_overwritten_does_not_pass_for_free(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    go(begin(search_config(*SHORT), place).study, place)
    place.run.retrain.root.mkdir()
    place.run.retrain.model.write_bytes(b"old")
    unlink, kills, left = Path.unlink, 0, 10**6

    def mortal(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KilledError
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", mortal)
    while place.run.retrain.model.exists():
        kills, left = kills + 1, kills + 1
        with pytest.raises(KilledError):
            begin(search_config(*SHORT), place, overwrite=True)
        left = 10**6
        with pytest.raises(CannotCreateError):
            existing(place, resume=False, overwrite=False)
    assert kills > 3


def test_nothing_is_written_or_removed_when_the_pictures_are_bad(
    place: Place, tmp_path: Path
) -> None:
    go(begin(search_config(*SHORT), place).study, place)
    before = content(place.run.root)
    (tmp_path / "photos" / "train" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "train" / "cat" / "1.png").write_bytes(b"no picture")
    photos = f"data={{source: image_folder, root: {json.dumps(str(tmp_path / 'photos'))}}}"
    with pytest.raises(NasError):
        start(search_config(photos), place, "cpu", overwrite=True)
    assert content(place.run.root) == before
    new = place_in(tmp_path / "new")
    with pytest.raises(NasError):
        start(search_config(photos), new, "cpu", overwrite=False)
    assert content(new.run.root) == {}


def test_nothing_is_written_when_the_device_is_absent(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no cuda"):
        start(search_config(), place, "cuda", overwrite=False)
    assert content(place.run.root) == {}


@pytest.mark.parametrize(
    "change",
    ["seed=2", "data.limit=130", "space.depth=[1, 2]", "training.epochs=4", "search.cohort=2"],
)
def test_another_identity_is_refused_and_leaves_every_byte(place: Place, change: str) -> None:
    go(begin(search_config(*SHORT), place).study, place)
    before = content(place.run.root)
    with pytest.raises(StateError, match=change.partition("=")[0]):
        take_up(place, search_config(*SHORT, change))
    assert content(place.run.root) == before


def test_other_pictures_are_refused_and_leave_every_byte(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(begin(search_config(*SHORT), place).study, place)
    before = content(place.run.root)

    def one_pixel_off(*args: Any) -> Any:
        data = divide(*args)
        data.images[0, 0, 0, 0] ^= 1
        return data

    monkeypatch.setattr("nas_cifar10.data.dataset.divide", one_pixel_off)
    with pytest.raises(StateError, match="not those the study was made with"):
        take_up(place)
    assert content(place.run.root) == before


def test_free_keys_may_change_on_the_way(place: Place) -> None:
    begin(search_config(*SHORT), place)
    more = search_config("search.trials=3", "training.epochs=1", "retrain.epochs=9")
    ready = take_up(place, more)
    assert ready.study.config == more
    assert len(go(ready.study, place)) > 0
    assert len(reopen(place).trials()) == 3
    written = yaml.safe_load(place.run.config.read_text())
    assert (written["search"]["trials"], written["retrain"]["epochs"]) == (3, 9)


def test_a_resumed_run_keeps_when_it_started(place: Place) -> None:
    begin(search_config(), place)
    first = read_json(place.run.environment)
    take_up(place)
    second = read_json(place.run.environment)
    take_up(place)
    third = read_json(place.run.environment)
    assert first["started_at"] == second["started_at"] == third["started_at"]
    assert [len(found["resumed_at"]) for found in (first, second, third)] == [0, 1, 2]


def test_a_run_taken_up_by_the_command_line_equals_one_that_never_stopped(
    place: Place, tmp_path: Path
) -> None:
    config = search_config("search.trials=3", "training.epochs=2")
    straight = place_in(tmp_path / "straight")
    go(begin(config, straight).study, straight)
    begin(config, place)
    while go(take_up(place).study, place, events=4):
        pass
    assert table(reopen(place)) == table(reopen(straight))


def test_what_changed_since_the_start_is_warned_about(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    begin(search_config(), place)
    with caplog.at_level(logging.WARNING, "nas_cifar10"):
        take_up(place)
        assert caplog.messages == []
        found = read_json(place.run.environment)
        found["versions"]["torch"] = "1.0"
        write_json(place.run.environment, found)
        take_up(place)
    now = version("torch")
    assert caplog.messages == [f"torch was 1.0 before, is {now} now: numbers may differ"]


def test_what_was_decided_once_is_read_from_the_study(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = search_config("training.precision=auto", "training.threads=auto")
    monkeypatch.setattr(precision, "num_cores", lambda: 1)
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    monkeypatch.setattr(precision, "_speedup", lambda step, device: 2.0)
    before = begin(config, place).study.facts.resolved
    assert (before["precision"], before["threads"], before["bf16_speedup"]) == ("bf16", 1, 2.0)
    monkeypatch.setattr(precision, "num_cores", lambda: 64)
    monkeypatch.setattr(precision, "_speedup", lambda step, device: 0.5)
    assert take_up(place).study.facts.resolved == before
    assert torch.get_num_threads() == 1
    assert read_json(place.run.environment)["precision"] == "bf16"


def test_the_probe_runs_the_largest_network_of_the_space(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = begin(search_config(), place)
    values = search_config("training.precision=auto").plain()
    del values["training"]["batch_size"]
    values["space"]["training"]["batch_size"] = [8, 24, 16]
    config = config_from_plain(values)
    steps = []

    def noted(config: Config, candidate: Any, *args: Any) -> Callable[[str], None]:
        steps.append((str(candidate.architecture), probe.batch_size(config, candidate)))
        return lambda number_format: None

    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    monkeypatch.setattr("nas_cifar10.search.resolved.probe_step", noted)
    resolve(config, ready.data, torch.device("cpu"))
    assert steps == [("8-8-8, kernels 5-5-5", 24)]


@pytest.mark.parametrize("damage", [b"", b"not a database " * 500])
def test_a_damaged_study_is_neither_resumed_nor_overwritten(place: Place, damage: bytes) -> None:
    begin(search_config(), place)
    place.run.study.write_bytes(damage)
    for flags in ({"resume": True}, {"overwrite": True}, {}):
        both = {"resume": False, "overwrite": False} | flags
        with pytest.raises(BadDataError, match=r"study\.db: is "):
            existing(place, **both)
    assert place.run.study.read_bytes() == damage


def test_a_start_that_was_killed_can_be_started_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def killed(*args: Any) -> None:
        raise KilledError

    recording = ("views.write_config", "write_json")
    victims = [f"{setup.__name__}.{name}" for name in ("create_study", "describe_run")]
    for victim in [*victims, *(f"{record.__name__}.{name}" for name in recording)]:
        with monkeypatch.context() as patched, no_waiting():
            patched.setattr(victim, killed)
            with pytest.raises(KilledError):
                start(search_config(*SHORT), place, "cpu", overwrite=True)
        study = existing(place, resume=True, overwrite=False)
        assert (study is None) == (victim == victims[0])
    assert take_up(place).study.trials() == []


def test_a_dry_run_writes_nothing_and_names_both_ends_of_the_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = dict(dry_run(search_config(), "cpu"))
    assert list(rows) == [
        "space",
        "pictures",
        "computes in",
        "smallest",
        "largest",
        "search",
        "retrain",
    ]
    assert rows["space"] == "endlessly many candidates"
    assert rows["pictures"] == "108 train, 12 validation, 24 test"
    assert rows["computes in"] == "fp32 on cpu, workers: 1, threads each: 1"
    assert rows["smallest"].startswith("4, kernels 3: 690 parameters, ")
    assert rows["largest"].startswith("8-8-8, kernels 5-5-5: 3,514 parameters, ")
    assert "25 epochs" in rows["search"]
    assert not list(tmp_path.iterdir())


def test_a_dry_run_times_no_more_pictures_and_workers_than_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def step(*words: Any) -> Callable[[str], None]:
        asked.append(words[-1])
        return lambda number_format: None

    monkeypatch.setattr("nas_cifar10.search.dry_run.training_step", step)
    monkeypatch.setattr("nas_cifar10.search.dry_run.seconds_of", lambda *words: 600.0)
    config = search_config("training.batch_size=1000", "search.workers=8", "search.cohort=2")
    rows = dict(dry_run(config, "cpu"))
    assert asked == [108, 108]
    assert rows["search"] == "between 2.1 h and 2.1 h if nothing is pruned (25 epochs)"


@pytest.mark.parametrize(("monitor", "hours"), [("validation", 8), ("none", 12)])
def test_a_dry_run_times_the_retrain_on_its_own_pictures_and_threads(
    monkeypatch: pytest.MonkeyPatch, monitor: str, hours: int
) -> None:
    """Of 108 pictures of the search, and 12 more to validate on; a step takes an hour a thread."""
    monkeypatch.setattr("nas_cifar10.training.precision.num_cores", lambda: 4)
    monkeypatch.setattr(
        "nas_cifar10.search.dry_run.seconds_of", lambda *words: 3600.0 * torch.get_num_threads()
    )
    sets = ("search.workers=4", "training.threads=auto", "training.batch_size=54")
    retrained = (f"retrain.monitor={monitor}", "retrain.epochs=1")
    rows = dict(dry_run(search_config(*sets, *retrained), "cpu"))
    assert rows["retrain"] == f"between {hours}.0 h and {hours}.0 h"


def test_a_dry_run_fetches_nothing(tmp_path: Path) -> None:
    config = search_config(f"data={{source: cifar10, root: {tmp_path}}}")
    with pytest.raises(MissingInputError, match=f"{tmp_path}: CIFAR-10 is not there yet"):
        dry_run(config, "cpu")
    assert not list(tmp_path.iterdir())


def test_a_dry_run_trains_nothing_that_would_be_refused() -> None:
    limit = "search.constraints.max_parameters"
    rows = dict(dry_run(search_config(f"{limit}=3000"), "cpu"))
    assert rows["largest"].endswith("refused: 3,514 parameters, at most 3,000 allowed")
    assert " s an epoch" in rows["smallest"]
    assert rows["search"].startswith("from ")
    rows = dict(dry_run(search_config(f"{limit}=600"), "cpu"))
    assert rows["smallest"].endswith("refused: 690 parameters, at most 600 allowed")
    assert rows["search"] == "unknown: the smallest and the largest are refused"
    assert rows["retrain"] == "unknown: the smallest and the largest are refused"


@pytest.mark.parametrize(("macs", "pictures"), [(10**10, 32), (1, 2)])
def test_the_probe_takes_no_more_pictures_than_a_step_of_seconds_does(
    monkeypatch: pytest.MonkeyPatch, macs: int, pictures: int
) -> None:
    seen: list[int] = []

    def learn(lanes: Any, images: torch.Tensor, *others: Any, **named: Any) -> None:
        seen.append(len(images))

    monkeypatch.setattr(probe, "PROBE_MACS", macs)
    monkeypatch.setattr("nas_cifar10.training.lanes.Lanes.learn", learn)
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    config = search_config("training.precision=auto")
    resolve(config, digits(), torch.device("cpu"))
    assert set(seen) == {pictures}


def test_a_gpu_is_probed_with_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few pictures take it the time of asking it, in either format."""
    asked = list[int]()

    def with_noise(*words: Any) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
        asked.append(words[-1])
        return torch.nn.Linear(1, 1), torch.zeros(1), torch.zeros(1)

    monkeypatch.setattr(probe, "PROBE_MACS", 1)
    monkeypatch.setattr(probe, "_with_noise", with_noise)
    config = search_config("training.batch_size=77")
    largest = probe.extremes(SearchSpace.from_config(config.space), digits())[1]
    for device in ("meta", "cpu"):
        probe.probe_step(config, largest, digits(), torch.device(device))
    assert asked == [77, 2]


def test_threads_are_shared_anew_on_another_kind_of_device(place: Place) -> None:
    study = begin(search_config(*SHORT), place).study
    study.facts.resolved.update(device="cuda", threads=16)  # all of a GPU machine's, for one worker
    ready = go_on(study, study.config, place, "cpu")
    assert isinstance(ready.executor, InProcess)
    assert torch.get_num_threads() == study.config.training.threads == ready.threads == 1
    assert read_json(place.run.environment)["threads"] == 1


def test_the_probe_times_no_update_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def update(optimizer: Any, *args: Any) -> None:
        raise AssertionError("an update takes the same time in either format")

    monkeypatch.setattr("torch.optim.Adam.step", update)
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    found = resolve(search_config("training.precision=auto"), digits(), torch.device("cpu"))
    assert found["bf16_speedup"] > 0


def test_a_dry_run_knows_latencies_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_cifar10.networks.latency.measure", lambda module, *_: 1.0)
    rows = dict(dry_run(search_config("search.constraints.max_latency_ms=3"), "cpu"))
    assert rows["largest"].endswith("refused: 4 ms, at most 3 allowed")
    assert " s an epoch" in rows["smallest"]


def test_a_baseline_that_a_limit_refuses_is_an_error_before_anything_is_written(
    tmp_path: Path,
) -> None:
    network = "{blocks: [{channels: 8, kernel_size: 5}]}"
    limited = search_config(
        f"search.baseline={{architecture: {network}, training: {{learning_rate: 0.01}}}}",
        "space.depth=[1, 2]",
        "search.constraints.max_parameters=600",
    )
    place = place_in(tmp_path / "run")
    with pytest.raises(ConfigError) as told:
        begin(limited, place)
    assert str(told.value).startswith("search.baseline: search.constraints refuse it: 1,498 para")
    assert not list(tmp_path.rglob("*.db"))
    with pytest.raises(ConfigError, match=r"search\.baseline"):
        dry_run(limited, "cpu")


def test_a_dry_run_says_what_does_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("nas_cifar10.search.probe.train_step", no_memory)
    with pytest.raises(NasError, match="4, kernels 3: does not fit into memory in batches of 32"):
        dry_run(search_config(), "cpu")


def test_a_dry_run_ends_between_two_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*words: Any) -> Callable[[str], None]:
        return lambda number_format: monkeypatch.setattr(interrupts, "_received", signal.SIGINT)

    monkeypatch.setattr("nas_cifar10.search.dry_run.training_step", step)
    with pytest.raises(Interrupted):
        dry_run(search_config(), "cpu")


def test_a_study_may_have_another_name_and_place_than_the_run(tmp_path: Path) -> None:
    database = Database(path=tmp_path / "many.db")
    for name in ("one", "two"):
        place = Place(place_in(tmp_path / name).run, database, name)
        go(begin(search_config(*SHORT), place).study, place)
        assert read_json(place.run.environment)["study"] == name
    assert table(open_study(database, "one")) == table(open_study(database, "two"))
    with pytest.raises(ConfigError, match="'one', 'two'"):
        open_study(database, None)


@pytest.mark.parametrize(
    ("cores", "requested", "device", "workers"),
    [
        (2, "auto", "cpu", 1),
        (4, "auto", "cpu", 2),
        (1, "auto", "cpu", 1),
        (64, "auto", "cpu", 3),
        (64, 7, "cpu", 7),
        (64, "auto", "cuda", 1),
        (64, 2, "cuda", 2),
    ],
)
def test_auto_is_a_worker_on_every_two_cores_but_no_more_than_a_cohort_has_trials(
    monkeypatch: pytest.MonkeyPatch, cores: int, requested: str, device: str, workers: int
) -> None:
    monkeypatch.setattr(precision, "num_cores", lambda: cores)
    config = search_config(f"search.workers={requested}")
    assert sharing.num_workers(config, torch.device(device)) == workers


def test_workers_share_the_cores_and_a_retrain_has_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "num_cores", lambda: 8)
    config = search_config("search.workers=3", "training.threads=auto")
    resolved = resolve(config, digits(), torch.device("cpu"))
    assert (resolved["workers"], resolved["threads"], resolved["retrain_threads"]) == (3, 2, 8)
    torch.set_num_threads(1)


def test_the_environment_names_the_machine_of_now(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ready = begin(search_config(), place)
    monkeypatch.setattr(precision, "processor", lambda: "another")
    with caplog.at_level(logging.WARNING, "nas_cifar10"):
        record.describe_run(ready.study, place, ready.data, torch.device("cuda"))
    found = read_json(place.run.environment)
    assert (found["device"], found["processor"]) == ("cuda", "another")
    assert "is another now: numbers may differ" in caplog.text


def test_the_environment_names_the_workers_of_now(place: Place) -> None:
    ready = begin(search_config(), place)
    assert read_json(place.run.environment)["workers"] == 1
    ready.study.replace_config(search_config("search.workers=2").plain())
    record.describe_run(ready.study, place, ready.data, torch.device("cpu"))
    assert read_json(place.run.environment)["workers"] == 2


def test_nothing_is_written_or_removed_where_workers_find_no_room(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go(begin(search_config(*SHORT), place).study, place)
    before = content(place.run.root)
    monkeypatch.setattr(executors, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(CannotCreateError, match="workers share the pictures there"):
        begin(search_config(*SHORT, "search.workers=2"), place, overwrite=True)
    with pytest.raises(CannotCreateError, match="workers share the pictures there"):
        take_up(place, search_config("search.trials=4", "training.epochs=1", "search.workers=2"))
    assert content(place.run.root) == before


def test_ray_tasks_without_a_gpu_do_not_train_on_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    on_cluster = ("search.executor=ray", "search.ray.address=127.0.0.1:6379")
    with pytest.raises(ConfigError, match=r"search\.ray\.gpus=0: .* --device cpu"):
        start(search_config(*on_cluster), place, "cuda", overwrite=False)
    assert content(place.run.root) == {}
