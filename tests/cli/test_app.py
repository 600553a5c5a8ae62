"""The command line as a user meets it: output, files, exit codes."""

import json
import os
import shlex
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from made_report import undrawn
from made_tiny import tiny_yaml
from nas_cifar10 import model
from nas_cifar10.cli import train
from nas_cifar10.cli.app import app
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.retrain import train as retrain
from nas_cifar10.search import executors, setup
from nas_cifar10.segment import Failed
from nas_cifar10.training import precision

TINY = tiny_yaml()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def nas(*words: str, drawn: bool = False) -> Result:
    with nullcontext() if drawn else undrawn(words[0]):
        return CliRunner().invoke(app, words)


def refused(code: int, *words: str) -> str:
    result = nas(*words)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stderr


@pytest.mark.parametrize("words", [["--help"], ["validate", "tiny.yaml"]])
def test_help_and_validate_import_neither_torch_nor_optuna(folder: Path, words: list[str]) -> None:
    code = (
        "import sys\n"
        "from nas_cifar10.cli.app import app\n"
        f"app({words!r}, standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'optuna'} & set(sys.modules)))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, capture_output=True)


@pytest.mark.parametrize(
    ("modules", "left_alone"),
    [
        ("nas_cifar10.cli.report, nas_cifar10.report.write", {"torch"}),
        ("nas_cifar10.cli.train", {"matplotlib", "plotly", "sklearn"}),
    ],
    ids=["report", "search"],
)
def test_a_command_imports_nothing_heavy_that_it_may_not_need(
    folder: Path, modules: str, left_alone: set[str]
) -> None:
    code = f"import sys; import {modules}; sys.exit(bool({left_alone!r} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, capture_output=True)


def completed(*words: str) -> list[str]:
    """Ask as bash does when somebody presses Tab after these words."""
    code = (
        "import sys; sys.argv = ['nas']\n"
        "import atexit; atexit.register(lambda: sys.stderr.write(' '.join(sys.modules)))\n"
        "from nas_cifar10.__main__ import main; main()\n"
    )
    asked = {"_NAS_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(("nas", *words))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | asked | {"COMP_CWORD": str(len(words))},
    )
    assert not {"torch", "optuna"} & set(done.stderr.split())
    return done.stdout.split()


def test_bash_completes_commands_and_flags() -> None:
    assert completed("ex") == ["export"]
    assert set(completed("predict", "--")) >= {"--run", "--json", "--top-k"}


def test_the_completion_script_is_one_for_bash() -> None:
    detected = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # not whatever runs the tests
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(*detected.popitem())
        result = CliRunner().invoke(app, ["--show-completion", "bash"], prog_name="nas")
    assert result.exit_code == 0
    assert "_NAS_COMPLETE=complete_bash" in result.stdout
    check = ["bash", "-n"]
    subprocess.run(check, input=result.stdout, text=True, check=True)


def test_the_version_is_printed() -> None:
    assert nas("--version").stdout.startswith("nas-cifar10 ")


def test_validate_says_how_large_the_space_is(folder: Path) -> None:
    result = nas("validate", "tiny.yaml", "--set", "space.training.learning_rate=0.01")
    assert (result.exit_code, result.stdout) == (0, "tiny.yaml: valid; 6 candidates, 4 trials\n")


def test_a_run_leaves_every_file_and_ends_with_a_table(folder: Path) -> None:
    result = nas("run", "--config", "tiny.yaml", drawn=True)
    assert result.exit_code == 0, result.output
    run = folder / "outputs" / "tiny-run"
    names = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "study.db",
        "data.json",
        "search.json",
        "pictures.npz",
        "best.json",
        "trials.csv",
        "curves.csv",
        "report.html",
        "run.log",
        "retrain/checkpoint.pt",
        "retrain/model.pt",
        "retrain/model.json",
        "retrain/history.csv",
        "retrain/metrics.json",
        "retrain/predictions.npz",
        "figures/confusion_matrix.png",
        "figures/training_loss.png",
    }
    assert not any(name.startswith(("trials/", ".")) for name in names)
    assert "test" in result.stdout
    assert result.stdout.rstrip().endswith("results in outputs/tiny-run")


def test_the_same_command_twice_gives_the_same_numbers(folder: Path) -> None:
    for name in ("a", "b"):
        assert nas("search", "--config", "tiny.yaml", "--run", name, "-q").exit_code == 0
    assert (folder / "a/best.json").read_bytes() == (folder / "b/best.json").read_bytes()
    assert _numbers(folder / "a/trials.csv") == _numbers(folder / "b/trials.csv")


def _numbers(path: Path) -> list[list[str]]:
    rows = [line.split(",") for line in path.read_text().splitlines()]
    keep = [i for i, name in enumerate(rows[0]) if not name.endswith(("_seconds", "_at", "_ms"))]
    return [[row[i] for i in keep] for row in rows]


def test_an_existing_run_is_refused_with_both_ways_out(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml").exit_code == 0
    before = (folder / "outputs/tiny-run/study.db").read_bytes()
    message = refused(73, "search", "--config", "tiny.yaml")
    assert "--resume" in message
    assert "--overwrite" in message
    assert (folder / "outputs/tiny-run/study.db").read_bytes() == before
    assert nas("search", "--config", "tiny.yaml", "--overwrite").exit_code == 0


def test_resume_needs_no_config_and_adds_no_trial_to_a_finished_study(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml").exit_code == 0
    before = (folder / "outputs/tiny-run/trials.csv").read_bytes()
    assert nas("search", "--resume").exit_code == 0
    assert (folder / "outputs/tiny-run/trials.csv").read_bytes() == before
    more = nas("search", "--resume", "--set", "search.trials=5", "--json")
    assert json.loads(more.stdout)["trials"]["requested"] == 5


def test_resume_with_another_identity_is_refused_and_changes_nothing(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml").exit_code == 0
    before = (folder / "outputs/tiny-run/study.db").read_bytes()
    message = refused(
        78, "search", "--config", "tiny.yaml", "--resume", "--set", "training.epochs=3"
    )
    assert "training.epochs: 2 in the study, 3 now" in message
    assert (folder / "outputs/tiny-run/study.db").read_bytes() == before


def test_a_run_is_its_own_wherever_it_lies_and_is_asked_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nas("search", "--config", "tiny.yaml").exit_code == 0
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "tiny.yaml").write_text(TINY)
    assert nas("search", "--config", "tiny.yaml", "--seed", "7").exit_code == 0
    theirs = (folder / "outputs/tiny-run/best.json").read_bytes()
    assert (elsewhere / "outputs/tiny-run/best.json").read_bytes() != theirs
    moved = folder / "moved"
    (folder / "outputs/tiny-run").rename(moved)
    assert nas("report", "--run", str(moved)).exit_code == 0
    assert nas("search", "--run", str(moved), "--resume").exit_code == 0
    assert (moved / "best.json").read_bytes() == theirs


@pytest.mark.parametrize("written", [False, True])
def test_what_a_stopped_search_prints_is_what_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    assert nas("search", "--config", "tiny.yaml").exit_code == 0
    before = (folder / "outputs/tiny-run/study.db").read_bytes()

    def stop(*_: object) -> None:
        raise Interrupted(2)

    words = ["search", "--config", "tiny.yaml", "--seed", "7", "--overwrite"]
    with monkeypatch.context() as patch:
        patch.setattr(*((train, "run_search") if written else (setup, "read")), stop)
        said = refused(130, *words).splitlines()
    kept = (folder / "outputs/tiny-run/study.db").read_bytes() == before
    if written:
        assert said[-2].endswith("stopped; nothing is lost. Go on with:")
        assert not kept
        words = shlex.split(said[-1].strip().removeprefix("nas "))
    else:
        assert said[-1] == "stopped; nothing was begun; the same command starts again"
        assert kept
    assert nas(*words).exit_code == 0
    assert json.loads((folder / "outputs/tiny-run/search.json").read_text())["trials"]["complete"]


def test_a_stop_while_the_report_is_drawn_says_what_draws_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Interrupted(15)

    monkeypatch.setattr(train, "write_report", stop)
    said = refused(143, "search", "--config", "tiny.yaml").splitlines()
    assert said[-2].endswith("stopped; nothing is lost. Go on with:")
    assert said[-1].split() == ["nas", "report", "--run", "outputs/tiny-run"]
    assert nas(*said[-1].split()[1:]).exit_code == 0


def test_resume_where_nothing_is_starts_afresh(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml", "--resume").exit_code == 0


def test_a_study_elsewhere_leads_to_its_run(folder: Path) -> None:
    odd = "stüdy {1} 50%?.db"
    assert nas("search", "--config", "tiny.yaml", "--study-db", odd).exit_code == 0
    assert (folder / odd).is_file()
    result = nas("retrain", "--study-db", odd, "--set", "retrain.epochs=1", "--json")
    assert json.loads(result.stdout)["epochs"] == 1
    assert (folder / "outputs/tiny-run/retrain/model.pt").is_file()


def test_a_study_elsewhere_does_not_lead_to_the_run_of_another(folder: Path) -> None:
    """Both have the config's name, so one folder would hold the model of either."""
    assert nas("search", "--config", "tiny.yaml").exit_code == 0
    files = partial(folder.glob, "outputs/tiny-run/*.*")
    before = {path: path.read_bytes() for path in files()}
    for name, words in {"other": ["--study", "other"], "tiny run": []}.items():
        new = ["--study-db", f"{name}.db", "--run", f"outputs/{name}", *words]
        assert nas("search", "--config", "tiny.yaml", *new).exit_code == 0
        for command in ("retrain", "report"):
            said = refused(73, command, "--study-db", f"{name}.db")
            assert "outputs/tiny-run: holds the run of study 'tiny run' in outputs/tiny-run" in said
            assert f"not of {name!r} in {name}.db; name the folder of that one" in said
        assert "4 of 4 trials ended" in nas("show", "--study-db", f"{name}.db").stdout
        mixed = ["--study-db", f"{name}.db", "--run", "outputs/tiny-run", *words, "--resume"]
        assert "holds the run of study" in refused(73, "search", "--config", "tiny.yaml", *mixed)
    assert {path: path.read_bytes() for path in files()} == before


def test_a_report_from_the_database_alone_names_commands_that_work(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml", "--study-db", "far.db").exit_code == 0
    (folder / "outputs").rename(folder / "elsewhere")
    assert nas("report", "--study-db", "far.db", drawn=True).exit_code == 0
    page = (folder / "outputs/tiny-run/report.html").read_text()
    assert "nas retrain --study-db far.db --study &#39;tiny run&#39;" in page
    assert nas("retrain", "--study-db", "far.db", "--study", "tiny run").exit_code == 0


def test_an_empty_database_name_is_refused_by_search_and_show(folder: Path) -> None:
    for words in (["search", "--config", "tiny.yaml"], ["show"]):
        assert "--study-db: must be a path" in refused(2, *words, "--study-db", "")
    assert not (folder / "outputs").exists()


def test_where_no_trial_completed_the_reasons_are_told(folder: Path) -> None:
    limit = ["--set", "search.constraints.max_parameters=1"]
    said = refused(3, "search", "--config", "tiny.yaml", *limit)
    assert "no trial of study 'tiny run' completed (4 asked: infeasible; " in said
    assert " parameters, at most 1 allowed" in said


def by_shell(folder: Path, line: str) -> tuple[int, str, str]:
    nas_path = shlex.quote(str(Path(sys.executable).parent / "nas"))
    command = ["bash", "-c", line.replace("nas", nas_path)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", ["validate tiny.yaml", "--version", "--help"])
def test_output_that_finds_no_room_is_an_io_error(folder: Path, words: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    code, _, said = by_shell(folder, f"nas {words} > /dev/full")
    assert code == 74
    assert "standard output" in said
    assert "No space left on device" in said
    assert len([line for line in said.splitlines() if not line.startswith("note: ")]) == 1


@pytest.mark.parametrize(("name", "expected"), [("tiny", 0), ("none", 66)])
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_command_without_an_output_does_its_work(
    folder: Path, name: str, expected: int, closed: str
) -> None:
    code, told, said = by_shell(folder, f"nas validate {name}.yaml {closed}")
    assert code == expected
    assert (told != "") == (expected == 0 and ">&-" not in closed.replace("2>&-", ""))
    assert "Traceback" not in said


def test_a_path_that_cannot_be_looked_at_is_told_in_a_line(folder: Path) -> None:
    for flag in ("--run", "--study-db"):
        assert "File name too long" in refused(66, "show", flag, "a" * 300)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory. Tried\n a lot"), MemoryError("no room")]
)
def test_memory_that_runs_out_after_training_is_told_in_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert nas("search", "--config", "tiny.yaml").exit_code == 0

    def fails(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(model, "evaluate", fails)
        message = refused(1, "retrain")
    assert f"out of memory: {str(error).splitlines()[0]}" in message
    assert nas("retrain", "--resume").exit_code == 0


def test_another_error_of_the_runtime_is_not_taken_for_a_lack_of_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nas("search", "--config", "tiny.yaml").exit_code == 0

    def fails(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(model, "evaluate", fails)
    assert isinstance(nas("retrain").exception, RuntimeError)


def test_verbose_says_what_each_segment_is(folder: Path) -> None:
    said = nas("run", "--config", "tiny.yaml", "--device", "cpu", "-v").stderr
    assert "trains on cpu in fp32, threads a worker: 1" in said
    assert "study tiny run: 0 of 4 trials asked" in said
    assert said.count(": epoch 1 is handed out") == 4
    assert "in fp32: 0 of 2 epochs done" in said
    quiet = nas("retrain", "--resume").stderr
    assert "epochs done" not in quiet
    assert "in fp32: 2 of 2 epochs done" in (folder / "outputs/tiny-run/run.log").read_text()


def test_retrain_of_a_numbered_trial_follows_the_latest_run(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml").exit_code == 0
    result = nas("retrain", "--trial", "1", "--json")
    assert json.loads(result.stdout)["trial"] == 1
    assert "run: outputs/tiny-run" in result.stderr
    assert "0 to 3, got 9" in refused(2, "retrain", "--trial", "9")
    told = "--trial: must be a whole number, got 1.5\n"
    assert refused(2, "retrain", "--trial", "1.5").endswith(told)
    assert refused(2, "retrain", "--top-k", "x").startswith("--top-k: must be a whole number")


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    result = nas("search", "--config", "tiny.yaml", "--dry-run")
    assert result.exit_code == 0
    assert "smallest" in result.stdout
    assert "largest" in result.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.yaml"]


def test_what_is_found_before_a_search_can_be_had_as_json(folder: Path) -> None:
    rows = json.loads(nas("search", "--config", "tiny.yaml", "--dry-run", "--json").stdout)
    assert {"space", "pictures", "smallest", "largest", "search", "retrain"} <= rows.keys()
    assert json.loads(nas("validate", "tiny.yaml", "--json").stdout)["trials"] == 4
    found = json.loads(nas("data", "--config", "tiny.yaml", "--json").stdout)
    assert nas("search", "--config", "tiny.yaml", "--json").exit_code == 0
    assert found == json.loads((folder / "outputs/tiny-run/data.json").read_text())


def test_report_as_json_holds_what_the_files_hold(folder: Path) -> None:
    run = folder / "outputs/tiny-run"
    assert nas("search", "--config", "tiny.yaml", "--json").exit_code == 0
    found = json.loads(nas("report", "--json").stdout)
    assert found == {"search": json.loads((run / "search.json").read_text())}
    assert nas("retrain", "--json").exit_code == 0
    found = json.loads(nas("report", "--json").stdout)
    assert found["metrics"] == json.loads((run / "retrain/metrics.json").read_text())


def test_quiet_is_quiet_and_the_log_is_whole(folder: Path) -> None:
    told = nas("search", "--config", "tiny.yaml", "--run", "told", "--json").stderr.splitlines()
    quiet = nas("search", "--config", "tiny.yaml", "--run", "quiet", "--json", "-q")
    assert [line for line in quiet.stderr.splitlines() if not line.startswith("note: ")] == []
    assert json.loads(quiet.stdout)["trials"]["requested"] == 4
    ends = ["  ".join(line.split("  ")[:2]) for line in told if ": epoch" not in line]
    log = (folder / "quiet/run.log").read_text()
    assert sum(end.startswith("trial ") and "random" not in end for end in ends) == 4
    assert all(end in log for end in ends if end.startswith("trial "))


def test_the_device_asked_for_is_the_one_that_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, resolve = list[str](), precision.resolve_device

    def noted(requested: str) -> torch.device:
        asked.append(requested)
        return resolve(requested)

    monkeypatch.setattr(precision, "resolve_device", noted)
    assert nas("search", "--config", "tiny.yaml", "--device", "cpu", "--json").exit_code == 0
    run = folder / "outputs/tiny-run"
    assert asked == ["cpu"]
    assert json.loads((run / "environment.json").read_text())["device"] == "cpu"
    kept = sorted(run.rglob("*"))
    said = refused(2, "search", "--config", "tiny.yaml", "--run", "other", "--device", "tpu")
    assert "--device: must be auto, cpu, cuda or mps, got 'tpu'" in said
    assert not (folder / "other").exists()
    assert sorted(run.rglob("*")) == kept


def test_a_run_goes_on_to_its_retrain_on_the_device_it_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nas("search", "--config", "tiny.yaml", "--json").exit_code == 0
    asked = []

    def noted(made_on: str, requested: str | None = None) -> torch.device:
        asked.append(requested)
        return torch.device("cpu")

    monkeypatch.setattr(retrain, "stored_device", noted)
    assert nas("run", "--resume", "--device", "cpu").exit_code == 0
    assert nas("retrain", "--resume").exit_code == 0
    assert asked == ["cpu", None]


def test_data_describes_the_pictures(folder: Path) -> None:
    result = nas("data", "--config", "tiny.yaml")
    assert result.exit_code == 0
    assert "majority class, test" in result.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.yaml"]


def test_what_is_missing_is_named(folder: Path) -> None:
    assert "no such config file" in refused(66, "search", "--config", "none.yaml")
    assert "no run here" in refused(66, "report")
    assert "holds no run" in refused(66, "report", "--run", "nowhere")
    assert "no such study database" in refused(66, "retrain", "--study-db", "none.db")
    assert "--config FILE is required" in refused(2, "search")
    assert "name one of the two" in refused(2, "report", "--run", "a", "--study-db", "b")
    assert "name one of the two" in refused(
        2, "search", "--config", "tiny.yaml", "--resume", "--overwrite"
    )


def test_bad_data_leave_no_folder_behind(folder: Path) -> None:
    (folder / "pictures/train/cat").mkdir(parents=True)
    (folder / "pictures/train/dog").mkdir(parents=True)
    for name in ("cat/a.png", "dog/b.png"):
        (folder / "pictures/train" / name).write_bytes(b"no picture")
    words = ["--set", "data={source: image_folder, root: pictures}"]
    message = refused(65, "search", "--config", "tiny.yaml", *words)
    assert "a.png: " in message
    assert "b.png: " in message
    assert not (folder / "outputs").exists()


def test_a_search_in_which_every_trial_fails_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Failed("diverged: not a finite number in epoch 1")
    monkeypatch.setattr(executors, "train_segment", lambda *words: failed)
    message = refused(3, "run", "--config", "tiny.yaml")
    assert "diverged: not a finite number in epoch 1" in message
    assert json.loads((folder / "outputs/tiny-run/search.json").read_text())["best"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["configs/tiny.yaml"], "configs/tiny.yaml: not expected here; name the config with"),
        (["--set", "a=1", "b=2"], "b=2: not expected here; each KEY=VALUE needs a --set"),
        ([], "nas init lists configs to start from"),
        (["--config", "tiny"], "tiny: no such config file; nas init lists some to start from"),
    ],
)
def test_a_word_too_many_or_a_config_too_few_is_answered_with_the_way_out(
    words: list[str], said: str
) -> None:
    assert said in refused(66 if "--config" in words else 2, "run", *words)
