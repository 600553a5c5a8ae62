"""A space whose dimensions hold words is read, drawn and described as one of numbers is."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text

from nas_cifar10.config.load import config_from_plain
from nas_cifar10.networks.cost import cost
from nas_cifar10.report import captions, caveats
from nas_cifar10.report.charts import Chart
from nas_cifar10.report.charts_model import classes, roc, training
from nas_cifar10.report.charts_search import history, slices
from nas_cifar10.report.drawing import drawing
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures import FIGURES, draw
from nas_cifar10.report.figures_front import named
from nas_cifar10.report.gather import gather
from nas_cifar10.report.headline import measured_on, numbers, scores, sentence
from nas_cifar10.report.parts import Trial
from nas_cifar10.report.summary import summary
from nas_cifar10.report.write import report
from nas_cifar10.runs.files import read_csv, read_json, write_csv, write_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.space.candidate import Architecture, Block
from nas_cifar10.space.cost import Layer

SPACE = {
    "depth": [2, 3],
    "channels": [16, 32],
    "kernel_size": 3,
    "norm": ["none", "batch"],
    "convolutions": [1, 2],
    "skip": ["none", "add"],
    "dropout": {"low": 0.1, "high": 0.3},
    "head": ["flatten", "max"],
}


def test_words_are_read_as_their_places(make_run: Callable[..., RunFolder]) -> None:
    run = make_run(space=SPACE)
    facts = gather(run)
    assert facts.trials is not None
    for row, trial in zip(read_csv(run.trials), facts.trials, strict=True):
        assert trial.values["head"] == ["flatten", "max"].index(row["head"])
        for number in (1, 2):
            skip = row[f"block{number}.skip"]
            assert (skip != "") == (row[f"block{number}.convolutions"] == "2")
            assert (f"block{number}.skip" in trial.values) == (skip != "")


def test_a_run_with_words_gets_every_figure(make_run: Callable[..., RunFolder]) -> None:
    run = make_run(space=SPACE)
    facts = gather(run)
    assert draw(facts, run.figures)[1] == {}
    with matplotlib.rc_context():
        drawn = FIGURES["slice"](facts)
    assert not isinstance(drawn, str)
    texts = {text.get_text() for text in drawn.findobj(Text) if isinstance(text, Text)}
    assert {"none", "batch", "flatten", "max", "add"} <= texts


def test_a_page_shows_words_where_values_stand(make_run: Callable[..., RunFolder]) -> None:
    run = make_run(space=SPACE)
    report(run)
    board = run.page.read_text(encoding="utf-8").partition('id="board"')[2].partition("</table>")
    assert "norm batch" in board[0]
    charts = {chart.name: chart for chart in slices(gather(run))}
    head = charts["slice-head"]
    assert head.layout["xaxis"]["categoryarray"] == ["flatten", "max"]
    assert {x for trace in head.traces for x in trace["x"]} <= {"flatten", "max"}
    depth = charts["slice-depth"]
    assert depth.layout["xaxis"]["categoryarray"] == [2.0, 3.0]


def _drawable(block: Block) -> tuple[Architecture, tuple[Layer, ...], tuple[int, int, int]]:
    architecture = Architecture((block,))
    return architecture, cost(architecture, (3, 64, 64), 10).layers, (3, 64, 64)


def test_a_drawing_names_stem_and_convolutions() -> None:
    block = Block("residual", 6, 3, convolutions=2)
    architecture = Architecture((block,), stem="whitening")
    drawn = str(drawing(architecture, cost(architecture, (3, 8, 8), 10).layers, (3, 8, 8)))
    assert "stem: 24 channels, 7×7, " in drawn
    assert "2 × residual 3×3: 6 channels, " in drawn
    assert "head: 10 classes, " in drawn


def test_no_words_of_a_drawing_are_cut_off() -> None:
    block = Block("depthwise_separable", 4096, 31, convolutions=8)
    drawn = str(drawing(*_drawable(block)))
    words = re.findall(r">([^<]+)</text>", drawn)
    assert "8 × depthwise separable 31×31" in words
    assert max(len(each) for each in words) <= 34  # of 8 units each, beside the stacks


def test_beside_the_drawing_stands_what_it_does_not_show(
    make_run: Callable[..., RunFolder],
) -> None:
    sentence = "Every convolution is followed by ReLU and a 2×2 max-pooling."
    for keys, plainly in (({}, True), ({"space": SPACE}, False)):
        run = make_run(**keys)
        report(run)
        page = run.page.read_text(encoding="utf-8")
        assert (sentence in page) == plainly
        assert ("In words: " in page) == (not plainly)


def test_the_first_sentence_names_what_was_sought(make_run: Callable[..., RunFolder]) -> None:
    assert "; the best, 32-16-16, " in sentence(gather(make_run()))
    assert "; the best by macro F1 (0.670), 32-" in sentence(gather(make_run(objective="macro_f1")))


def test_another_trial_than_the_best_is_described_by_its_words(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run(space=SPACE)
    best = read_json(run.search)["best"]["trial"]
    other = next(row for row in read_csv(run.trials) if row["trial"] != str(best))
    write_json(run.retrain.metrics, read_json(run.retrain.metrics) | {"trial": int(other["trial"])})
    said = dict(summary(gather(run)))["retrained"]
    assert said.endswith(f"(trial {other['trial']})")
    assert "dropout 0." in said
    assert ("head max" in said) == (other["head"] == "max")


def test_the_page_of_another_trial_than_the_best_does_not_mix_the_two(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run(space=SPACE)
    best = read_json(run.search)["best"]["trial"]
    write_json(run.retrain.metrics, read_json(run.retrain.metrics) | {"trial": best})
    notes, told = said(run)
    assert notes["validation accuracy"] == "it chose the network, so it flatters it"
    assert any(text.startswith("Validation accuracy chose this network among") for text in told)
    another = best + 1
    write_json(run.retrain.metrics, read_json(run.retrain.metrics) | {"trial": another})
    notes, told = said(run)
    assert notes["validation accuracy"] == f"of trial {best}; retrained was trial {another}"
    chosen = f"Validation accuracy chose trial {best}, which is not the one retrained, among"
    assert any(text.startswith(chosen) for text in told)


def said(run: RunFolder) -> tuple[dict[str, str], list[str]]:
    """Return the notes of the page's numbers, and its caveats."""
    facts = gather(run)
    return {number.name: number.note for number in numbers(facts)}, caveats.of(facts)


def test_the_most_accurate_of_a_front_is_named_first() -> None:
    """With two costs it is not the dearest in the first of them."""
    rows = ((0, 0.5, 100), (1, 0.9, 200), (2, 0.7, 300))
    front = [
        Trial(number, "complete", "", "random", reached, reached, 1, 10, macs, {}, pareto=True)
        for number, reached, macs in rows
    ]
    apart = {trial.number: (3.0 * trial.number, 1.0) for trial in front}
    assert [trial.number for trial, _ in named(front, apart)] == [1, 0, 2]
    crowded = dict.fromkeys(apart, (2.0, 1.0))
    assert [trial.number for trial, _ in named(front, crowded)] == [1]


def changed(facts: Facts, **values: Any) -> Facts:
    """Return facts of a run with other values in its config, a dotted key each."""
    assert facts.config is not None
    sets = [f"{key.replace('__', '.')}={value}" for key, value in values.items()]
    return replace(facts, config=config_from_plain(facts.config.plain(), sets))


@pytest.mark.parametrize(
    ("setting", "augmented"),
    [
        ({}, False),
        ({"training__weight_decay": 0.1}, False),
        ({"training__flip": "random"}, True),
        ({"training__cutout": 4}, True),
    ],
)
def test_training_pictures_are_called_augmented_where_they_are(
    make_run: Callable[..., RunFolder], setting: dict[str, Any], augmented: bool
) -> None:
    facts = changed(gather(make_run()), **setting)
    told = [captions.retrain(facts), *(chart.caption for chart in training(facts))]
    assert len(told) == 4
    assert all(("augmented" in each) == augmented for each in told)


def test_pictures_are_augmented_where_what_was_retrained_says_so(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run(space={"training": {"mixup": [0.0, 0.2]}}, predicted=True)
    model = read_json(run.retrain.description)
    for strength in (0.2, 0.0):
        model["provenance"]["training"] = {"flip": "none", "mixup": strength}
        write_json(run.retrain.description, model)
        assert ("augmented" in captions.retrain(gather(run))) == (strength > 0)


def test_a_retrain_under_way_is_augmented_where_its_trial_is(
    make_run: Callable[..., RunFolder],
) -> None:
    """Of the best trial, and of another one that was asked for."""
    run = make_run(space={"training": {"mixup": [0.0, 0.2]}})
    rows = read_csv(run.trials)
    best, other = read_json(run.search)["best"]["trial"], 0
    assert best != other
    for row in rows:
        row["training.mixup"] = "0.2" if row["trial"] == str(best) else "0.0"
    write_csv(run.trials, list(rows[0]), list(rows))
    assert "augmented" in captions.retrain(gather(run))
    write_json(run.asked, {"trial": other})
    assert "augmented" not in captions.retrain(gather(run))


def test_a_class_that_is_never_mistaken_is_not_hard(make_run: Callable[..., RunFolder]) -> None:
    facts = gather(make_run(predicted=True))
    assert facts.predictions is not None
    sure = np.eye(10)[np.repeat(np.arange(10), 3)]
    labels = np.repeat(np.arange(10), 3)
    perfect = replace(facts.predictions, probabilities=sure, labels=labels)
    chart = roc(replace(facts, predictions=perfect))
    assert isinstance(chart, Chart)
    assert chart.caption == "Each is told from the rest without a mistake."
    wrong = sure.copy()
    wrong[0] = sure[29]
    chart = roc(replace(facts, predictions=replace(perfect, probabilities=wrong)))
    assert isinstance(chart, Chart)
    assert chart.caption.endswith(": airplane (0.833), truck (0.981).")


def test_what_refused_candidates_is_said_with_its_unit(
    make_run: Callable[..., RunFolder],
) -> None:
    facts = changed(gather(make_run()), search__constraints__max_latency_ms=0.15)
    assert "at most" not in sentence(facts)
    facts = gather(make_run(states=("complete", "infeasible") * 3))
    assert "refused 3 of them for their cost;" in sentence(facts)
    limited = changed(facts, search__constraints__max_latency_ms=0.15)
    assert "refused 3 of them for their cost (at most 0.15 ms);" in sentence(limited)


def test_small_charts_are_as_high_as_each_other_and_show_all_there_is(
    make_run: Callable[..., RunFolder],
) -> None:
    found = {chart.name: chart.layout for chart in slices(gather(make_run()))}
    assert len({str(layout["yaxis"]["range"]) for layout in found.values()}) == 1
    low, high = found["slice-training.learning_rate"]["xaxis"]["range"]
    assert low < -4
    assert high > -2


def test_trials_without_a_value_stand_below_the_others(
    make_run: Callable[..., RunFolder],
) -> None:
    states = ("complete", "infeasible", "pruned", "failed")
    chart = history(gather(make_run(states=states)))
    assert isinstance(chart, Chart)
    heights = {trace["name"]: trace["y"] for trace in chart.traces}
    apart = [heights.pop(state) for state in ("infeasible", "failed")]
    assert max(map(max, apart)) < min(map(min, heights.values()))


def test_trials_without_a_value_of_their_own_stand_below_a_single_one(
    make_run: Callable[..., RunFolder],
) -> None:
    """Though a failed one has an epoch, and a repeated one what the first of its kind reached."""
    run = make_run(states=("complete", "infeasible", "repeated", "failed"))
    rows = read_csv(run.trials)
    for row in rows[2:]:
        row["validation_accuracy"] = rows[0]["validation_accuracy"]
    write_csv(run.trials, list(rows[0]), list(rows))
    chart = history(gather(run))
    assert isinstance(chart, Chart)
    (reached,) = {trace["y"][0] for trace in chart.traces if "complete" in trace["name"]}
    low, _ = chart.layout["yaxis"]["range"]
    for state in ("infeasible", "repeated", "failed"):
        (height,) = next(trace["y"] for trace in chart.traces if trace["name"] == state)
        assert low < height < reached
    assert "as an earlier trial" in str(chart.traces)


def test_many_classes_are_bars_side_by_side_with_a_name_each(
    make_run: Callable[..., RunFolder],
) -> None:
    few = classes(gather(make_run()))
    many = classes(gather(make_run(class_names=[f"class {number}" for number in range(25)])))
    assert isinstance(few, Chart)
    assert isinstance(many, Chart)
    assert {trace["orientation"] for trace in few.traces} == {"v"}
    assert {trace["orientation"] for trace in many.traces} == {"h"}
    assert len(many.layout["yaxis"]["ticktext"]) == 25


def test_how_well_it_does_says_on_what_and_begins_with_the_accuracy(
    make_run: Callable[..., RunFolder],
) -> None:
    facts = gather(make_run())
    assert measured_on(facts) == "On 10,000 test pictures, after 30 epochs:"
    first = scores(facts)[0]
    assert first.name == "test accuracy"
    assert first.note.startswith("95 % interval ")


def test_what_was_not_trained_to_the_end_is_not_called_not_retrained(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run()
    run.retrain.metrics.unlink()
    assert "The network was not trained to the end: there is no test accuracy yet." in said(run)[1]
    run.retrain.history.unlink()
    assert "The network was not retrained: there is no test accuracy yet." in said(run)[1]


def test_nothing_was_chosen_where_no_trial_completed(make_run: Callable[..., RunFolder]) -> None:
    told = said(make_run(states=("pruned",) * 3 + ("running",), retrained=0))[1]
    assert not any("chose this" in text or "importances" in text for text in told)


def test_a_class_that_is_never_found_is_named(make_run: Callable[..., RunFolder]) -> None:
    run = make_run()
    before = read_json(run.retrain.metrics)
    assert not any("recognised" in told for told in said(run)[1])
    before["per_class"]["cat"]["recall"] = 0.0
    write_json(run.retrain.metrics, before)
    assert "Not one picture of cat was recognised." in said(run)[1]
    before["per_class"]["cat"]["support"] = 0
    write_json(run.retrain.metrics, before)
    assert not any("recognised" in told for told in said(run)[1]), "there was none"


def test_what_was_sought_stands_among_the_numbers(make_run: Callable[..., RunFolder]) -> None:
    assert "test macro F1" not in said(make_run())[0]
    assert said(make_run(objective="macro_f1"))[0]["test macro F1"] == "what was sought"
