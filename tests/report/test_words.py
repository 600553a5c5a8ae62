"""A space whose dimensions hold words is read, drawn and described as one of numbers is."""

from collections.abc import Callable

import matplotlib
from matplotlib.text import Text

from nas_cifar10.report.figures import FIGURES, draw
from nas_cifar10.report.gather import gather
from nas_cifar10.report.summary import summary
from nas_cifar10.runs import RunFolder, read_csv, read_json, write_json

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
    assert draw(facts, run.figures) == {}
    with matplotlib.rc_context():
        drawn = FIGURES["slice"](facts)
    assert not isinstance(drawn, str)
    texts = {text.get_text() for text in drawn.findobj(Text) if isinstance(text, Text)}
    assert {"none", "batch", "flatten", "max", "add"} <= texts


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
