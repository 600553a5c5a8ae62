"""A retrain that is gone on with is the one that was asked for, whatever is said again."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from made_trained import nas, refused, trained_run
from nas_cifar10.config.load import load_config
from nas_cifar10.errors import BadDataError, StorageError
from nas_cifar10.retrain import train
from nas_cifar10.runs.asked import Asked, command, read_asked, write_asked
from nas_cifar10.runs.files import read_csv, read_json, remove
from nas_cifar10.runs.folder import RunFolder


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (Asked(), Asked(3, None, ("a=1", "b=2"))),
        (Asked(overrides=("b=3", "c=4")), Asked(3, None, ("a=1", "b=3", "c=4"))),
        (Asked(trial=5), Asked(5, None, ("a=1", "b=2"))),
        (Asked(top_k=2, overrides=("a=2",)), Asked(None, 2, ("b=2", "a=2"))),
    ],
)
def test_what_is_said_again_counts_and_the_rest_stays(more: Asked, expected: Asked) -> None:
    assert Asked(3, None, ("a=1", "b=2"), complete=True).then(more) == expected


def test_a_section_stays_below_what_is_said_of_a_part_of_it() -> None:
    section, part = "retrain={epochs: 2, test: false}", "retrain.epochs =3"
    assert Asked(overrides=(section,)).then(Asked(overrides=(part,))).overrides == (section, part)
    assert Asked(overrides=(part, "a=1")).then(Asked(overrides=(section,))).overrides == (
        "a=1",
        section,
    )


def test_what_belongs_to_the_search_is_not_kept() -> None:
    asked = Asked(3, None, ("search.trials=9", "retrain.epochs=2", "retrain={}", "retrains=1"))
    assert asked.lasting == Asked(3, None, ("retrain.epochs=2", "retrain={}"))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, asked = tmp_path / "asked.json", Asked(None, 2, ("retrain.start_from=b c",))
    assert read_asked(path) == Asked()
    write_asked(path, asked, complete=False)
    assert read_asked(path) == asked
    write_asked(path, asked, complete=True)
    assert read_asked(path).complete
    assert command(["retrain"], asked) == "nas retrain --top-k 2 --set 'retrain.start_from=b c'"


@pytest.mark.parametrize("text", ["[]", '{"trial": "x"}', '{"top_k": 0}', "{"])
def test_a_damaged_one_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "asked.json"
    path.write_text(text)
    with pytest.raises(BadDataError, match=f"^{path}: .*; remove it, and say again"):
        read_asked(path)


def test_a_bare_resume_goes_on_with_the_trial_and_the_settings(tmp_path: Path) -> None:
    run = trained_run(tmp_path)
    other = 1 - read_json(run.retrain.metrics)["trial"]
    words = ("--trial", other, "--set", "retrain.epochs=2", "--set", "retrain.seeds=2")
    assert nas("retrain", "--run", run.root, *words).exit_code == 0
    lose_the_second_seed(run)
    assert "unfinished; nas retrain" in nas("report", "--run", run.root).stdout
    unread = ("--set", "retrain.test=false", "--set", "retrain.monitor=none")
    result = nas("retrain", "--run", run.root, "--resume", *unread)
    assert result.exit_code == 0, result.output
    assert read_json(run.retrain.metrics)["trial"] == other
    assert len(read_csv(run.retrain.seed(1).history)) == 2
    assert not run.retrain.predictions.exists()
    assert read_asked(run.asked).overrides[2:] == ("retrain.test=false", "retrain.monitor=none")
    assert "test_accuracy" in read_csv(run.retrain.history)[0], "it was read for it"
    assert "Not measured: the test set was read for a curve only." in run.retrain.card.read_text()
    said = nas("report", "--run", run.root).stdout
    assert "not measured: the test set was read for a curve only" in said


def test_a_bare_resume_of_what_is_done_asks_for_the_same(tmp_path: Path) -> None:
    """A test set that was to stay unread stays so, and no seed is forgotten."""
    run = trained_run(tmp_path)
    unread = ("--set", "retrain.test=false", "--set", "retrain.monitor=none")
    words = (*unread, "--set", "retrain.seeds=2")
    assert nas("retrain", "--run", run.root, *words).exit_code == 0
    before, asked = read_json(run.retrain.summary), run.asked.read_bytes()
    result = nas("retrain", "--run", run.root, "--resume")
    assert result.exit_code == 0, result.output
    assert "test" not in read_json(run.retrain.metrics)
    assert not run.retrain.predictions.exists()
    assert (read_json(run.retrain.summary), run.asked.read_bytes()) == (before, asked)


def lose_the_second_seed(run: RunFolder) -> None:
    """Leave what is there when a retrain is stopped before its second seed."""
    for path in (*run.retrain.seed(1).root.iterdir(), run.retrain.summary):
        path.unlink()
    write_asked(run.asked, read_asked(run.asked), complete=False)


def test_what_is_refused_leaves_what_was_asked_for(tmp_path: Path) -> None:
    run = trained_run(tmp_path)
    other, before = 1 - read_json(run.retrain.metrics)["trial"], run.asked.read_bytes()
    words = ("--resume", "--trial", other)
    assert "holds the retrain of another trial" in refused(78, "retrain", "--run", run.root, *words)
    assert run.asked.read_bytes() == before


def test_a_measurement_that_is_given_up_stays_nowhere(tmp_path: Path) -> None:
    run = trained_run(tmp_path, "search.schedule.name=none")
    best = read_json(run.retrain.metrics)["trial"]
    assert nas("retrain", "--run", run.root, "--top-k", 2, "--json").exit_code == 0
    assert run.retrain.trial(best).predictions.exists()
    unread = ("--set", "retrain.test=false", "--set", "retrain.monitor=none")
    words = ("--resume", "--top-k", 2, *unread, "--json")
    assert nas("retrain", "--run", run.root, *words).exit_code == 0
    assert not list(run.retrain.root.rglob("predictions.npz"))


def test_a_run_that_goes_on_retrains_as_it_was_asked_for(tmp_path: Path) -> None:
    """Its search may go on; what was retrained by hand, and a test set left unread, stay so."""
    run = trained_run(tmp_path, "search.schedule.name=none")
    other = 1 - read_json(run.retrain.metrics)["trial"]
    unread = ("--set", "retrain.test=false", "--set", "retrain.monitor=none")
    words = ("--trial", other, "--set", "retrain.epochs=2", "--set", "retrain.seeds=2", *unread)
    assert nas("retrain", "--run", run.root, *words).exit_code == 0
    model, summary = run.retrain.model.read_bytes(), run.retrain.summary.read_bytes()
    resumed = nas("run", "--run", run.root, "--resume", "--set", "search.trials=3")
    assert resumed.exit_code == 0, resumed.output
    assert len(read_csv(run.trials)) == 3
    assert read_json(run.retrain.metrics)["trial"] == other
    assert (run.retrain.model.read_bytes(), run.retrain.summary.read_bytes()) == (model, summary)
    assert not run.retrain.predictions.exists()
    for said, epochs in ((["--set", "retrain.epochs=3"], 3), ([], 3)):
        more = nas("run", "--run", run.root, "--resume", *said)
        assert more.exit_code == 0, more.output
        assert read_json(run.retrain.metrics)["epochs"] == epochs
    config = run.root.parent / "config.yaml"
    config.write_text(config.read_text().replace("retrain: {epochs: ", "retrain: {epochs: 1"))
    assert load_config(config).retrain.epochs > 9
    sets = ("--set", "search.trials=3", "--set", "search.schedule.name=none")
    with_file = ("--config", config, *sets)
    more = nas("run", "--run", run.root, "--resume", *with_file)
    assert more.exit_code == 0, more.output
    assert read_json(run.retrain.metrics)["epochs"] == load_config(config).retrain.epochs
    assert read_json(run.retrain.metrics)["trial"] == other
    assert not run.retrain.predictions.exists(), "that was not said anew"


@pytest.mark.parametrize("command", ["run", "search"])
def test_what_a_resume_says_outlives_its_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Whatever was asked for before, a test set that is to stay unread from now on stays so."""
    run = trained_run(tmp_path)
    before = ("--set", "retrain.epochs=2", "--set", "search.trials=2")
    assert nas("retrain", "--run", run.root, *before).exit_code == 0
    read = ("--set", "retrain={epochs: 2, test: true, monitor: test}")
    assert nas("retrain", "--run", run.root, *read).exit_code == 0
    unread = ("--set", "retrain.test=false", "--set", "retrain.monitor=none")
    with monkeypatch.context() as patched:
        patched.setattr("nas_cifar10.cli.train.run_search", Mock(side_effect=StorageError("full")))
        more = (*unread, "--set", "search.trials=3")
        refused(74, command, "--run", run.root, "--resume", *more)
    resumed = nas("run", "--run", run.root, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert not run.retrain.predictions.exists()
    assert read_json(run.retrain.metrics)["epochs"] == 2
    assert len(read_csv(run.trials)) == 3


def test_a_search_that_begins_does_not_take_over_what_another_was_asked_for(
    tmp_path: Path,
) -> None:
    run = trained_run(tmp_path)
    write_asked(run.asked, Asked(trial=7, overrides=("retrain.epochs=9",)))
    run.study.unlink()
    words = ("--config", tmp_path / "config.yaml", "--run", run.root, "--resume")
    begun = nas("run", *words)
    assert begun.exit_code == 0, begun.output
    assert read_json(run.retrain.metrics)["trial"] == read_json(run.best)["trial"]
    assert read_json(run.retrain.metrics)["epochs"] == 3


def test_a_search_goes_on_whatever_became_of_what_a_retrain_was_asked_for(tmp_path: Path) -> None:
    run = trained_run(tmp_path)
    run.asked.write_text("{")
    more = ("--run", run.root, "--resume", "--set", "search.trials=3")
    assert nas("search", *more, "--json").exit_code == 0
    assert f"{run.asked}: " in refused(65, "run", *more)


def test_what_a_resume_says_in_any_script_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_run(tmp_path)
    assert nas("retrain", "--run", run.root, "--set", "retrain.epochs=2").exit_code == 0
    cat = trained_run(tmp_path / "\N{CAT FACE}").root
    more = ("--set", f"retrain.start_from={cat}", "--set", "search.trials=3")
    assert nas("search", "--run", run.root, "--resume", *more).exit_code == 0
    resumed = nas("run", "--run", run.root, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert read_json(run.retrain.description)["provenance"]["start"]["run"] == str(cat)


def test_what_was_kept_of_a_search_is_not_said_again(tmp_path: Path) -> None:
    path = tmp_path / "asked.json"
    write_asked(path, Asked(overrides=("search.trials=20", "retrain.epochs=2")))
    assert read_asked(path).overrides == ("retrain.epochs=2",)


def test_what_a_run_will_retrain_from_is_missed_before_its_search(tmp_path: Path) -> None:
    run, source = trained_run(tmp_path / "a"), trained_run(tmp_path / "b")
    begin = ("--set", f"retrain.start_from={source.root}")
    assert nas("retrain", "--run", run.root, *begin).exit_code == 0
    source.retrain.model.unlink()
    more = ("--resume", "--set", "search.trials=4")
    assert "model.pt: no such file" in refused(66, "run", "--run", run.root, *more)
    assert len(read_csv(run.trials)) == 2


@pytest.mark.parametrize("kept", ["checkpoint", "summary"])
def test_a_start_that_was_cut_off_while_it_removed_the_old_one_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    run = trained_run(tmp_path, "search.schedule.name=none")
    other = 1 - read_json(run.retrain.metrics)["trial"]

    def killed(path: Path) -> None:
        if path == getattr(run.retrain, kept):
            raise StorageError(f"{path}: Input/output error")
        remove(path)

    with monkeypatch.context() as patched:
        patched.setattr(train, "remove", killed)
        refused(74, "retrain", "--run", run.root, "--trial", other)
    assert run.retrain.checkpoint.exists() == (kept == "checkpoint")
    resumed = nas("retrain", "--run", run.root, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert read_json(run.retrain.metrics)["trial"] == other
    assert read_asked(run.asked).complete


def test_a_curve_that_begins_late_is_not_told_of_epochs_it_does_not_have(tmp_path: Path) -> None:
    run = trained_run(tmp_path, "retrain.monitor=none")
    assert (
        nas("retrain", "--run", run.root, "--resume", "--set", "retrain.monitor=test").exit_code
        == 0
    )
    assert "test_loss" not in read_csv(run.retrain.history)[0]
    assert "looked at after each epoch" not in run.retrain.card.read_text()
