"""The page says what the files say, at every stage, and nothing that a name smuggles in."""

import html
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plotly.offline import get_plotlyjs
from sklearn.metrics import f1_score, log_loss, precision_score, recall_score, roc_auc_score

from made_holder import Holder
from made_run import MadeRun
from nas_cifar10.config.load import config_from_plain
from nas_cifar10.report.charts import Chart, label
from nas_cifar10.report.charts_search import parallel
from nas_cifar10.report.gather import gather
from nas_cifar10.report.html import page
from nas_cifar10.report.summary import summary
from nas_cifar10.report.tables import leaderboard
from nas_cifar10.report.write import report
from nas_cifar10.runs.asked import Asked, write_asked
from nas_cifar10.runs.files import read_csv, read_json, write_csv, write_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.text import duration, short
from nas_cifar10.training.metrics import over_seeds

Make = Callable[..., RunFolder]

PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'>",
    "' autofocus onfocus=alert(1) x='",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "${alert(1)}`",
    "%{x}<extra></extra>",
    "<a href='javascript:alert(1)'>b</a>",
    "@blue",
    "<!--",
    "]]>",
    "&lt;script&gt;",
    "\u2028alert(1)\u2029",
]


class Reader(HTMLParser):
    """Every element with its attributes, and the text of those that carry a fact."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.facts: dict[str, str] = {}
        self.text: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        self.inside = found.get("data-fact") or ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.facts[self.inside] = data
            self.inside = ""
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def page_of(run: RunFolder, *, stills: bool = False) -> str:
    """Return the page; its still pictures, which take most of the time, only where asked for."""
    with pytest.MonkeyPatch.context() as patch:
        if not stills:
            patch.setattr("nas_cifar10.report.html._stills", lambda charts, figures: {})
        return page(gather(run), {})


@pytest.fixture(scope="module", autouse=True)
def small_plotly() -> Iterator[None]:
    """Leave out plotly's 4.8 MB, which none of these tests looks into."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas_cifar10.report.html.get_plotlyjs", lambda: "/* plotly */")
        yield


def test_every_number_is_what_the_files_say(make_run: Make) -> None:
    run = make_run(predicted=True)
    found = read(page_of(run)).facts
    search, metrics = read_json(run.search), read_json(run.retrain.metrics)
    arrays = np.load(run.retrain.predictions)
    labels, probabilities = arrays["labels"], arrays["probabilities"].astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    said = probabilities.argmax(axis=1)
    trials = read_csv(run.trials)
    complete = [float(t["validation_accuracy"]) for t in trials if t["state"] == "complete"]
    data = read_json(run.data)
    area = roc_auc_score(labels, probabilities, multi_class="ovr")
    expected = {
        "search.best.validation_accuracy": f"{100 * max(complete):.1f} %",
        "metrics.test.accuracy": f"{100 * (said == labels).mean():.1f} %",
        "metrics.parameters": f"{metrics['parameters']:,}",
        "metrics.macs": short(metrics["macs"]),
        "seconds": duration(search["seconds"] + metrics["seconds"]),
        "search.epochs.trained": str(sum(int(trial["epochs"]) for trial in trials)),
        "search.epochs.full_budget": str(len(trials) * 5),
        "metrics.test.macro_precision": f"{precision_score(labels, said, average='macro'):.3f}",
        "metrics.test.macro_recall": f"{recall_score(labels, said, average='macro'):.3f}",
        "metrics.test.macro_f1": f"{f1_score(labels, said, average='macro'):.3f}",
        "metrics.test.auc_ovr_macro": f"{area:.3f}",
        "metrics.test.loss": f"{log_loss(labels, probabilities):.3f}",
    }
    parts = ("train", "validation", "test")
    expected |= {f"data.totals.{part}": f"{data['totals'][part]:,}" for part in parts}
    expected |= {f"data.duplicates.{pair}": str(n) for pair, n in data["duplicates"].items()}
    assert found == expected


def test_the_leaderboard_holds_every_trial_the_best_first(run: RunFolder) -> None:
    rows = gather(run).trials
    assert rows is not None
    text = page_of(run)
    body = text[text.index('id="board"') :]
    shown = [int(n) for n in re.findall(r'<th scope="row" data-value="(\d+)"', body)]
    assert sorted(shown) == [trial.number for trial in rows]
    best = max((t for t in rows if t.state == "complete"), key=lambda t: t.objective or 0)
    assert shown[0] == best.number


def test_the_best_of_equals_is_the_same_everywhere(run: RunFolder) -> None:
    facts = gather(run)
    assert facts.config is not None
    assert facts.trials is not None
    equal = tuple(
        replace(trial, state="complete", objective=0.5, macs=100 - trial.number)
        for trial in facts.trials
    )
    goals = ["search.objectives=[accuracy, macs]", "search.schedule.name=none"]
    config = config_from_plain(facts.config.plain(), goals)
    facts = replace(facts, trials=equal, config=config)
    assert facts.best == equal[-1], "the cheapest"
    assert leaderboard(facts)["rows"][0]["cells"][0][1] == equal[-1].number
    lines = parallel(facts)
    assert isinstance(lines, Chart)
    assert lines.traces[-1]["name"] == f"trial {equal[-1].number}"


def test_charts_hold_the_numbers_of_the_tables(make_run: Make) -> None:
    run = make_run(predicted=True)
    text = page_of(run)
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    trials = {t.number: t for t in gather(run).trials or ()}
    dots = {
        number: value
        for trace in charts["history"]["data"]
        if trace["mode"] == "markers"
        for number, value in zip(trace["x"], trace["y"], strict=True)
    }
    assert dots == {n: pytest.approx(t.objective, abs=1e-6) for n, t in trials.items()}
    history = read_csv(run.retrain.history)
    drawn = {trace["name"]: trace["y"] for trace in charts["training-accuracy"]["data"]}
    for name, column in (("train", "train_accuracy"), ("test (monitor only)", "test_accuracy")):
        assert drawn[name] == pytest.approx([float(row[column]) for row in history], abs=1e-5)


def removed(run: RunFolder, *paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def test_a_run_that_has_just_begun_says_what_to_do(run: RunFolder) -> None:
    retrain = vars(run.retrain).values()
    retrained = (run.asked, *(path for path in retrain if path.is_file()))
    removed(run, run.search, run.trials, run.curves, *retrained)
    text = page_of(run)
    assert "Nothing was searched yet." in text
    assert f"nas search --config FILE --run {run.root}" in text
    assert "nas retrain" not in text


def test_a_search_in_which_no_trial_completed_offers_no_retrain(make_run: Make) -> None:
    run = make_run(states=("failed", "infeasible"))
    removed(run, run.retrain.history, run.retrain.metrics, run.asked)
    text = page_of(run)
    assert "none completed." in text
    assert "The network was not retrained yet." in text
    assert "nas retrain" not in text


@pytest.mark.parametrize("measured", [False, True])
def test_a_retrain_that_is_not_all_done_names_what_goes_on_with_it(
    make_run: Make, measured: bool
) -> None:
    run = make_run()
    write_asked(run.asked, Asked(trial=1, overrides=("retrain.seeds=3",)), complete=False)
    if not measured:
        removed(run, run.retrain.metrics)
    text = html.unescape(page_of(run))
    assert ("The retrain is not finished" in text) == measured
    assert ("Nothing was measured yet" in text) != measured
    assert f"nas retrain --run {run.root} --resume</code>" in text
    assert dict(summary(gather(run)))["retrain"].endswith(f"nas retrain --run {run.root} --resume")


def test_a_search_that_runs_names_the_command_that_goes_on(make_run: Make) -> None:
    run = make_run(states=["running", "pruned"])
    search = read_json(run.search)
    search["trials"] |= {"requested": 10}
    write_json(run.search, search | {"stopped": "interrupted"})
    removed(run, run.retrain.history, run.retrain.metrics)
    text = page_of(run)
    assert f"nas search --run {run.root} --resume" in text
    assert "none is complete yet" in text
    assert "epochs trained: some of the rest is to come." in text
    assert "this was random search" not in text


def test_while_a_process_works_on_a_run_no_command_is_named_that_it_would_refuse(
    make_run: Make,
) -> None:
    run = make_run(states=["running", "complete"])
    removed(run, run.retrain.history, run.retrain.metrics)
    with Holder(run.root):
        text = page_of(run)
    assert "A process worked on this run while the page was written" in text
    assert f"nas report --run {run.root}" in text
    assert "nas search" not in text
    assert "nas retrain" not in text
    text = page_of(run)
    assert "A process worked" not in text
    assert f"nas retrain --run {run.root}" in text


@pytest.mark.parametrize("states", [[], ["failed"], ["pruned"] * 3, ["complete"], ["complete"] * 2])
def test_few_trials_make_a_page_too(make_run: Make, states: list[str]) -> None:
    assert "</html>" in page_of(make_run(states=states))


def over_three_seeds() -> dict[str, Any]:
    """Return what summary.json holds after three retrains with these accuracies."""
    train = {"accuracy": 1.0, "loss": 0.1}
    found = [{"test": {"accuracy": v, "loss": 1.0}, "train": train} for v in (0.70, 0.71, 0.73)]
    return over_seeds(found, "test")


def test_several_seeds_stand_beside_the_accuracy_and_in_the_caveats(make_run: Make) -> None:
    run = make_run()
    alone = page_of(run)
    assert "One retrain with one seed" in alone
    assert "summary.test_accuracy.mean" not in alone
    assert "first seed" not in alone
    write_json(run.retrain.summary, over_three_seeds())
    text = page_of(run)
    assert "One retrain with one seed" not in text
    assert "3 retrains that differ in nothing but their seed have a standard deviation" in text
    assert "deviation of 1.5 points" in text
    tile = re.search(r"<dt>mean of 3 seeds</dt><dd><b [^>]*>(.*?)</b><small>(.*?)</small>", text)
    assert tile is not None
    assert tile[1] == "71.3 %"
    assert tile[2] == "test accuracy, standard deviation 1.5 points"
    assert "<dt>test accuracy, first seed</dt>" in text
    assert "right with its first seed (3 seeds: 71.3\u00a0% ± 1.5)." in text


def test_the_spread_of_seeds_stands_beside_the_baseline(make_run: Make) -> None:
    run = make_run()
    search = read_json(run.search)
    write_json(run.search, search | {"baseline": search["best"] | {"validation_accuracy": 0.5}})
    assert "sd" not in dict(summary(gather(run)))["baseline"]
    write_json(run.retrain.summary, over_three_seeds())
    rows = dict(summary(gather(run)))
    assert rows["baseline"].endswith("; 3 seeds of one retrain differ by 0.015 (sd)")
    assert rows["its accuracy over 3 seeds"] == "0.713 ± 0.015 (sd)"


def test_a_search_that_did_not_beat_its_baseline_says_so(make_run: Make) -> None:
    told = "The best is the network that the search was told to begin with"
    run = make_run()
    search = read_json(run.search)
    for reached, says in (({}, True), ({"trial": 1, "validation_accuracy": 0.5}, False)):
        write_json(run.search, search | {"baseline": search["best"] | reached})
        assert (told in page_of(run)) == says


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (("complete", "pruned"), "the rest belongs to trials ended early."),
        (("complete", "infeasible"), "the rest belongs to candidates refused for their budget."),
        (("complete", "repeated"), "the rest belongs to networks trained before."),
        (("complete", "failed"), "the rest belongs to trials that failed."),
        (("complete", "pruned", "failed"), "to trials ended early and trials that failed."),
        (("complete", "running"), "some of the rest is to come"),
        (("complete", "complete"), "none was left out"),
    ],
)
def test_epochs_that_were_not_trained_are_explained(
    make_run: Make, states: tuple[str, ...], told: str
) -> None:
    assert told in page_of(make_run(states=states))


def test_refused_candidates_are_told_apart_from_trained_ones(make_run: Make) -> None:
    text = page_of(make_run(states=("complete", "complete", "infeasible", "pruned"), retrained=0))
    assert "tried 4 candidates and refused 1 of them for their cost; the best" in text
    assert "chose this network among 3 trained trials" in text


@pytest.mark.parametrize(
    ("in_train", "in_validation", "told"),
    [
        (0, 0, None),
        (1, 0, "\n    <li>1 test picture of 10,000 has a twin in train or validation"),
        (3, 5, "At least 5 test pictures of 10,000 have twins in train or validation"),
    ],
)
def test_twins_of_test_pictures_are_not_counted_twice(
    make_run: Make, in_train: int, in_validation: int, told: str | None
) -> None:
    run = make_run()
    data = read_json(run.data)
    data["duplicates"] |= {"train_test": in_train, "validation_test": in_validation}
    data["totals"]["test"] = 10_000
    write_json(run.data, data)
    text = page_of(run)
    assert ("in train or validation, which lifts" in text) == (told is not None)
    assert told is None or told in text


@pytest.mark.parametrize(("states", "said"), [(["complete"], False), (["complete"] * 2, True)])
def test_only_what_was_chosen_is_flattered(make_run: Make, states: list[str], said: bool) -> None:
    text = page_of(make_run(states=states, retrained=0))
    assert ("it chose the network, so it flatters it" in text) == said
    assert ("chose this network among" in text) == said


def test_the_time_of_one_retrain_of_several_is_called_so(make_run: Make) -> None:
    run = make_run()
    assert "+ retrain 3 min 04 s" in page_of(run)
    write_json(run.retrain.summary, over_three_seeds())
    assert "+ first retrain 3 min 04 s" in page_of(run)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked(), None),
        (Asked(overrides=("retrain.epochs=7", "retrain.seeds=3")), "--set retrain.epochs=7 --set"),
        (Asked(overrides=("retrain.start_from=a b",)), "--set 'retrain.start_from=a b'"),
        (Asked(trial=1), "--trial 1"),
        (Asked(top_k=3), "--top-k 3"),
    ],
)
def test_another_retrain_than_the_configs_is_repeated_by_a_command_of_its_own(
    make_run: Make, asked: Asked, told: str | None
) -> None:
    run = make_run(predicted=True)
    write_asked(run.asked, asked, complete=True)
    said = html.unescape(page_of(run))
    first = "run" if told is None else "search"
    assert f"nas {first} --config {run.config} --run NEW_FOLDER --device cpu" in said
    assert ("nas retrain --run NEW_FOLDER" in said) == (told is not None)
    assert told is None or f"NEW_FOLDER {told}" in said


def test_a_retrain_without_a_measurement_says_so_and_how_to_measure(make_run: Make) -> None:
    run = make_run(test=False, monitor="none")
    unread = ("retrain.epochs=7", "retrain.test=false")
    write_asked(run.asked, Asked(trial=1, overrides=unread), complete=True)
    said = html.unescape(page_of(run))
    assert "The test set was left unread." in said
    words = "--trial 1 --set retrain.epochs=7 --set retrain.test=true"
    assert f"nas retrain --run {run.root} --resume {words}" in said


def test_names_of_any_script_stay_readable_and_apart(make_run: Make) -> None:
    names = ("猫", "ไก่ย่าง", "हिन्दी")
    run = make_run(name="сеть", class_names=names, num_pictures=600, predicted=True)
    shown = "".join(read(page_of(run, stills=True)).text)
    assert all(name in shown for name in ("сеть", *names))
    assert "□" not in shown


def test_why_a_trial_ended_can_be_read_without_a_mouse(make_run: Make) -> None:
    found = read(page_of(with_reason("out of memory", make_run())))
    assert "out of memory" in "".join(found.text)


def test_pictures_of_an_earlier_measurement_are_not_shown(make_run: Make) -> None:
    run = make_run(predicted=True)
    assert "surest of" in page_of(run)
    run.retrain.predictions.unlink()
    assert "surest of" not in page_of(run)


def test_the_page_asks_nothing_of_a_network(make_run: Make) -> None:
    text = page_of(make_run(predicted=True), stills=True)
    addresses = [
        value
        for _, attributes in read(text).elements
        for name, value in attributes.items()
        if name in {"src", "href", "action", "data", "poster", "srcset"} and value
    ]
    assert addresses
    assert all(value.startswith(("data:", "#")) for value in addresses)
    assert not re.search(r"@import|url\((?!\"data:)", text)
    assert "default-src 'none'" in html.unescape(text)


def with_reason(reason: str, run: RunFolder) -> RunFolder:
    rows = read_csv(run.trials)
    write_csv(run.trials, list(rows[0]), [row | {"reason": reason} for row in rows])
    return run


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Return the page of a run whose names are as names are."""
    made = MadeRun(class_names=("a", "b", "c"), num_pictures=600, predicted=True)
    run = with_reason("because", made.write(tmp_path_factory.mktemp("harmless") / "run"))
    return read(page_of(run, stills=True))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_stay_text(make_run: Make, harmless: Reader, payload: str) -> None:
    names = [f"{payload}{number}" for number in range(3)]
    name = payload.replace("\u2028", " ").replace("\u2029", " ")
    made = make_run(name=name, class_names=names, num_pictures=600, predicted=True)
    run = with_reason(payload, made)
    found = read(page_of(run, stills=True))
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in harmless.elements]
    attributes = {name for _, each in found.elements for name in each}
    assert attributes == {name for _, each in harmless.elements for name in each}
    assert not [name for name in attributes if name.startswith("on")]


def test_a_whole_report_is_one_small_file(make_run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_cifar10.report.html.get_plotlyjs", get_plotlyjs)
    run = make_run(predicted=True)
    report(run)
    content = run.page.read_bytes()
    assert get_plotlyjs()[:100_000].encode() in content
    assert 4e6 < len(content) < 8e6
    reader = read(content.decode())
    stills = [a for tag, a in reader.elements if tag == "img"]
    assert all((a["src"] or "").startswith("data:image/png") and a["alt"] for a in stills)
    plots = {a["data-chart"] for _, a in reader.elements if a.get("class") == "plot"}
    assert plots >= {"history", "learning", "parallel", "importance", "reliability", "roc"}


def test_numbers_of_the_drawing_add_up(make_run: Make) -> None:
    run = make_run(predicted=True)
    told = re.search(r'<title id="network-told">(.*?)</title>', page_of(run))
    assert told is not None
    each = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) parameters?", told[1])]
    layers: list[dict[str, Any]] = read_json(run.retrain.description)["layers"]
    assert each == [layer["parameters"] for layer in layers]


def test_a_folder_whose_name_is_no_text_gets_its_page(make_run: Make, tmp_path: Path) -> None:
    run = make_run()
    odd = RunFolder(Path(os.fsdecode(os.fsencode(tmp_path / "out-") + b"\xff")))
    run.root.rename(odd.root)
    report(odd)
    assert "out-\\udcff" in odd.page.read_text("utf-8")


def test_a_quotation_mark_is_one_in_a_chart() -> None:
    assert label("17\" wheel's <b>") == "17\" wheel's &lt;b&gt;"


def test_a_search_whose_time_was_up_has_nothing_to_come(make_run: Make) -> None:
    run = make_run()
    found = read_json(run.search)
    counts = found["trials"] | {"requested": found["trials"]["requested"] + 5}
    write_json(run.search, found | {"trials": counts, "stopped": "time"})
    report(run)
    assert "then its time was up" in run.page.read_text("utf-8")
