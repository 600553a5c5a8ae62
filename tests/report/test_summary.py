"""The summary says in short lines what was found, what it is worth and what is missing."""

from collections.abc import Callable
from typing import Any

import pytest

from made_holder import Holder
from nas_cifar10.report import caveats
from nas_cifar10.report.gather import gather
from nas_cifar10.report.summary import summary
from nas_cifar10.runs.files import read_csv, read_json, write_csv, write_json
from nas_cifar10.runs.folder import RunFolder

Make = Callable[..., RunFolder]


def rows(run: RunFolder) -> dict[str, str]:
    return dict(summary(gather(run)))


def change(run: RunFolder, file: str, **values: Any) -> None:
    path = run.root / file
    write_json(path, read_json(path) | values)


def test_a_finished_run_in_full(run: RunFolder) -> None:
    change(run, "retrain/metrics.json", trial=3)
    found = rows(run)
    assert found == {
        "run": "default",
        "best network": "32-16-16, kernels 3-3-5, learning rate 0.0017 (trial 3)",
        "its size": "154,506 parameters, 19.4 M MACs a picture",
        "validation accuracy": "0.690; majority class 0.100",
        "trials": "10: 4 complete, 6 pruned, 0 failed, 0 infeasible, 0 repeated",
        "proposed by": "4 random, 6 model-based",
        "epochs": "29 of 50 (42% saved)",
        "test accuracy": "0.738 [0.729, 0.747]; majority class 0.100",
        "test macro F1, AUC": "0.740, 0.961",
        "pictures": "45,000 train, 5,000 validation, 10,000 test; 10 classes",
        "computed in": "fp32, cpu, 1 thread",
        "time": "search 5 min 12 s, retrain 3 min 04 s",
    }


def test_lines_are_short(run: RunFolder) -> None:
    for name, text in summary(gather(run)):
        assert len(name) + len(text) < 100, name
        assert "\n" not in name + text


def test_search_without_a_model_is_called_random(make_run: Make) -> None:
    found = rows(make_run(startup_trials=10))
    assert found["proposed by"] == (
        "10 random, 0 model-based: search was random (startup_trials 10)"
    )


def test_before_the_end_the_model_may_still_come(make_run: Make) -> None:
    run = make_run(startup_trials=10, states=("complete", "running"))
    run.checkpoints.mkdir()
    found = rows(run)
    assert found["proposed by"] == "2 random, 0 model-based"
    assert found["trials"].endswith("1 interrupted"), "nobody holds the run"
    with Holder(run.root):
        assert rows(run)["trials"].endswith("1 running")
    assert "saved" not in found["epochs"]
    assert "1 to go" in found["unfinished"]
    assert "--resume" in found["unfinished"]


def test_while_a_process_works_on_it_no_command_is_named(make_run: Make) -> None:
    run = make_run(states=("complete", "running"))
    run.retrain.metrics.unlink()
    with Holder(run.root):
        found = rows(run)
    assert found["unfinished"] == "1 to go; a process works on it at this moment"
    assert found["retrain"].endswith("; a process works on it at this moment")


def test_a_random_sampler_was_meant_to_be_random(make_run: Make) -> None:
    run = make_run(startup_trials=10)
    text = run.config.read_text("utf-8").replace("name: tpe", "name: random")
    run.config.write_text(text, "utf-8")
    assert rows(run)["proposed by"] == "10 random, 0 model-based: search was random"


def test_a_search_in_order_or_of_the_baseline_alone_is_not_called_random(make_run: Make) -> None:
    run = make_run(startup_trials=10, space={"training": {"learning_rate": [0.001, 0.01]}})
    text = run.config.read_text("utf-8").replace("name: tpe", "name: exhaustive")
    run.config.write_text(text, "utf-8")
    assert rows(run)["proposed by"] == "enumeration: 10 in order"
    told = " ".join(caveats.of(gather(run)))
    assert "by a model: this was enumeration, in the space's order" in told
    found = read_json(run.search)
    counts = found["trials"] | {"random": 0, "model_based": 0, "baseline": 10}
    write_json(run.search, found | {"trials": counts})
    assert rows(run)["proposed by"] == "0 random, 0 model-based, 10 baseline"
    assert "proposed by a model" not in " ".join(caveats.of(gather(run)))


def test_a_local_search_is_not_called_random(make_run: Make) -> None:
    run = make_run(startup_trials=4)
    text = run.config.read_text("utf-8").replace("name: tpe", "name: local")
    run.config.write_text(text, "utf-8")
    found = read_json(run.search)
    counts = found["trials"] | {"model_based": 0, "local": 6}
    write_json(run.search, found | {"trials": counts})
    assert rows(run)["proposed by"] == "4 random, 0 model-based, 6 beside the best"
    facts = gather(run)
    assert not [sentence for sentence in caveats.of(facts) if "random search" in sentence]
    write_json(run.search, found | {"trials": counts | {"random": 10, "local": 0}})
    facts = gather(run)
    assert [sentence for sentence in caveats.of(facts) if "random search" in sentence]


def test_an_enumeration_is_not_called_random(make_run: Make) -> None:
    run = make_run(startup_trials=10, space={"training": {}, "depth": [1]})
    text = run.config.read_text("utf-8").replace("name: tpe", "name: exhaustive")
    run.config.write_text(text, "utf-8")
    assert rows(run)["proposed by"] == "enumeration: 10 in order"


def test_without_a_complete_trial_there_is_no_best(make_run: Make) -> None:
    run = make_run(states=("pruned", "failed"))
    run.retrain.metrics.unlink()
    run.retrain.history.unlink()
    found = rows(run)
    assert found["best network"] == "no trial is complete"
    assert not {"its size", "validation accuracy", "retrain", "retrained"} & found.keys()


def test_a_missing_retrain_names_its_command(run: RunFolder) -> None:
    run.retrain.metrics.unlink()
    assert rows(run)["retrain"].startswith("30 epochs so far; nas retrain --run ")
    assert rows(run)["retrain"].endswith(" --resume")
    run.retrain.history.unlink()
    run.asked.unlink()
    assert rows(run)["retrain"] == f"none yet; nas retrain --run {run.root}"


def test_a_missing_search_names_its_command(run: RunFolder) -> None:
    run.search.unlink()
    assert rows(run)["search"].startswith("none yet; nas search --config FILE")


def test_an_empty_folder_is_summed_up_too(tmp_path: Any) -> None:
    assert [name for name, _ in summary(gather(RunFolder(tmp_path / "none")))] == ["run", "search"]


def test_another_retrained_trial_is_named_with_its_network(run: RunFolder) -> None:
    trial = read_csv(run.trials)[1]
    told = rows(run)["retrained"]
    assert told.endswith("(trial 1)")
    assert told.startswith(f"{trial['block1.channels']}-{trial['block2.channels']}")


def test_a_retrained_trial_that_is_not_listed_is_its_number(run: RunFolder) -> None:
    change(run, "retrain/metrics.json", trial=77)
    assert rows(run)["retrained"] == "trial 77"


@pytest.mark.parametrize("gap", ["depth", "block1.kernel_size", "training.learning_rate"])
def test_a_retrained_trial_without_all_its_values_is_its_number(run: RunFolder, gap: str) -> None:
    trials = read_csv(run.trials)
    trials[1][gap] = ""
    write_csv(run.trials, list(trials[0]), trials)
    assert rows(run)["retrained"] == "trial 1"


def test_an_unread_test_set_is_said_to_be_unread(make_run: Make) -> None:
    validation = rows(make_run(test=False, monitor="validation"))
    assert "[" in validation["validation, retrained accuracy"]
    assert validation["test accuracy"] == "the test set was left unread"
    nothing = rows(make_run(test=False, monitor="none"))
    assert nothing["test accuracy"] == "not measured: the test set was left unread"


def test_an_auc_that_cannot_be_is_explained(run: RunFolder) -> None:
    scores = read_json(run.retrain.metrics)["test"] | {"auc_ovr_macro": None}
    change(run, "retrain/metrics.json", test=scores)
    assert rows(run)["test macro F1, AUC"].endswith("none: one class only")


NONE = dict.fromkeys(["train_validation", "train_test", "validation_test", "within_train"], 0)


def test_shared_and_unread_pictures_are_counted(run: RunFolder) -> None:
    change(run, "data.json", duplicates=NONE | {"train_test": 3}, skipped=2, ignored=1)
    found = rows(run)
    assert found["duplicates"] == "3 in train and test"
    assert found["left out"] == "2 unreadable, 1 not pictures"
    assert "duplicates" not in rows_without_duplicates(run)


def rows_without_duplicates(run: RunFolder) -> dict[str, str]:
    change(run, "data.json", duplicates=NONE | {"within_train": 9})
    return rows(run)


def test_a_stopped_search_says_why_and_how_to_go_on(run: RunFolder) -> None:
    change(run, "search.json", stopped="time")
    assert rows(run)["stopped"] == (
        f"time; nas search --run {run.root} --resume --set search.max_minutes=null"
    )
    change(run, "search.json", stopped="interrupted")
    assert rows(run)["stopped"] == f"interrupted; nas search --run {run.root} --resume"


def test_the_baseline_stands_beside_the_best(run: RunFolder) -> None:
    found, told = read_json(run.search)["best"], "32-16-16, kernels 3-3-5, learning rate 0.0017"
    baseline = found | {"validation_accuracy": 0.65}
    change(run, "search.json", baseline=baseline)
    assert rows(run)["baseline"] == f"0.650: {told} (trial {found['trial']})"
    change(run, "search.json", baseline=baseline | {"trial": 0})
    assert rows(run)["baseline"] == f"0.650: {told} (trial 0); pruned after 1 epoch"


def test_with_macro_f1_as_objective_it_is_shown_too(make_run: Make) -> None:
    found = rows(make_run(objective="macro_f1"))
    assert found["validation accuracy"].startswith("0.690")
    assert found["validation macro F1"] == "0.670"
