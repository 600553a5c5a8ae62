"""Every figure is drawn or says why not: legible, inside its page, the same bytes each time."""

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from nas_cifar10.errors import CannotCreateError
from nas_cifar10.report import figures, ink, still, tables
from nas_cifar10.report.charts import BLUE, Chart, layout
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures import FIGURES, draw, png
from nas_cifar10.report.figures_space import Axis
from nas_cifar10.report.gather import gather
from nas_cifar10.report.write import report
from nas_cifar10.runs.files import read_csv, read_json, write_csv, write_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.space.search_space import Choice, IntegerRange, RealRange

Make = Callable[..., RunFolder]

OF_THE_SEARCH = [
    "optimization_history",
    "intermediate_values",
    "importance",
    "parallel_coordinate",
    "slice",
]
OF_THE_RETRAIN = [
    "training_loss",
    "training_accuracy",
    "training_auc",
    "classification_report",
    "confusion_matrix",
]
OF_THE_PICTURES = ["class_distribution", "samples"]
OF_CLASSES = ["class_distribution", "samples", "classification_report", "confusion_matrix"]
HOSTILE = [
    r"$\alpha$ costs $5 \$",
    "<script>alert(1)</script>",
    "a_b^c\\",
    "שלום עולם",
    "مرحبا بالعالم",
    "🐈‍⬛ cat",
    "漢字猫",
    "漢字犬",
    "x" * 200,
    "y" * 199 + "1",
    "y" * 199 + "2",
    "\u200b",
    "Z̷̢a̸l̵g̸o\u202e",
    "tab\tand\nline",
    "{}%s",
]
SMALL_SPACE = {"depth": [1, 2], "kernel_size": 3}


def drawn(facts: Facts, name: str) -> Figure:
    figure = FIGURES[name](facts)
    assert isinstance(figure, Figure), figure
    return figure


def texts(figure: Figure) -> Iterator[Text]:
    """Yield the texts somebody can see, laid out."""
    figure.draw_without_rendering()
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_visible() and text.get_text().strip():
            yield text


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def check_legible(figure: Figure) -> None:
    """Check that no text leaves the page, and that no tick's name covers the next."""
    seen = list(texts(figure))
    axes_with_ticks = [axes for axes in figure.axes if axes.axison]
    names = {side: [_names(axes, side) for axes in axes_with_ticks] for side in "xy"}
    ticks = {label for axes in figure.axes for side in "xy" for label in _labels(axes, side)}
    shown = {label for lists in names.values() for labels in lists for label in labels}
    for text in seen:
        if text not in ticks or text in shown:
            box = text.get_window_extent()
            low, high = min(box.x0, box.y0), max(box.x1 - figure.bbox.x1, box.y1 - figure.bbox.y1)
            assert low >= -1, f"{text.get_text()!r} leaves the page"
            assert high <= 1, f"{text.get_text()!r} leaves the page"
    for side, lists in names.items():
        for labels in lists:
            _check_apart(labels, side)


def _labels(axes: Axes, side: str) -> list[Text]:
    return list(getattr(axes, f"{side}axis").get_ticklabels())


def _names(axes: Axes, side: str) -> list[Text]:
    """Return the names of the ticks within the limits."""
    axis = getattr(axes, f"{side}axis")
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    labels = [label for tick in ticks for label in (tick.label1, tick.label2)]
    return [label for label in labels if label.get_visible() and label.get_text()]


def _check_apart(labels: list[Text], side: str) -> None:
    boxes = [label.get_window_extent() for label in labels if not label.get_rotation()]
    spans = sorted((getattr(box, f"{side}0"), getattr(box, f"{side}1")) for box in boxes)
    for (_, end), (start, _) in pairwise(spans):
        assert end <= start + 1, f"names of {side} ticks overlap: {labels}"


def num_colors(picture: bytes) -> int:
    small = Image.open(io.BytesIO(picture)).convert("RGB").resize((300, 200))
    return len(small.getcolors(60_000) or [])


def check_something_is_drawn(figure: Figure) -> None:
    for axes in figure.axes:
        empty = not axes.has_data() and not axes.texts
        assert not (axes.axison and empty), "an axis stands empty"


def test_the_table_names_the_figures_of_the_design() -> None:
    assert list(FIGURES) == OF_THE_PICTURES + OF_THE_SEARCH + OF_THE_RETRAIN


def test_a_finished_run_gets_every_figure_as_a_picture(run: RunFolder) -> None:
    _, left_out = report(run)
    assert left_out == {}
    assert {path.name for path in run.figures.iterdir()} == {f"{name}.png" for name in FIGURES}
    for path in run.figures.iterdir():
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert path.stat().st_size > 10_000
        assert pixels.shape[1] > 800
        assert num_colors(path.read_bytes()) > 20
        assert (pixels[[0, -1]] == 255).all(), "something touches the edge"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_keeps_inside_its_page(run: RunFolder, name: str) -> None:
    figure = drawn(gather(run), name)
    check_something_is_drawn(figure)
    check_legible(figure)


def test_a_figure_is_the_same_bytes_each_time_and_names_no_software(run: RunFolder) -> None:
    facts = gather(run)
    first, second = (png(drawn(facts, "importance")) for _ in range(2))
    assert first == second
    assert Image.open(io.BytesIO(first)).info.keys() <= {"dpi"}


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few pixels where they are not looked at."""
    monkeypatch.setattr(figures, "_DOTS_AN_INCH", 30)


LINE = {"mode": "lines", "line": {"color": BLUE}, "x": [0, 1], "y": [0, 1]}
CHART = Chart("line", "A line", "Of two points.", [LINE], layout("x", "y"), "line")


@pytest.mark.usefixtures("coarse")
def test_a_users_matplotlib_settings_neither_matter_nor_change(run: RunFolder) -> None:
    for name in ("trials.csv", "curves.csv", "retrain/history.csv", "retrain/metrics.json"):
        (run.root / name).unlink()
    draw(gather(run), run.figures)
    plain = (run.figures / "class_distribution.png").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
        draw(gather(run), run.figures)
        styled = still.draw(CHART)
        assert matplotlib.rcParams["font.size"] == 30
    assert styled == still.draw(CHART)
    assert (run.figures / "class_distribution.png").read_bytes() == plain


# 0, 1, 2, 4 and 200 complete trials, with and without others beside them
CROWDS = {
    0: ("pruned", "failed", "running"),
    1: ("complete",),
    2: ("complete", "pruned", "complete"),
    4: ("complete", "infeasible", "repeated", "pruned") * 4,
    200: ("complete", *("complete", "pruned") * 99, *("complete",) * 100),
}


@pytest.mark.parametrize("name", OF_THE_SEARCH)
@pytest.mark.parametrize("num_complete", CROWDS)
def test_any_number_of_complete_trials_gives_a_figure_or_a_reason(
    make_run: Make, num_complete: int, name: str
) -> None:
    run = make_run(states=CROWDS[num_complete], space=SMALL_SPACE, num_epochs=3)
    figure = FIGURES[name](gather(run))
    if isinstance(figure, str):
        assert num_complete < {"importance": 4, "parallel_coordinate": 1}.get(name, 0)
        return
    check_something_is_drawn(figure)
    check_legible(figure)
    assert f"{num_complete} complete of {len(CROWDS[num_complete])} trial" in words(figure)


@pytest.mark.parametrize("name", OF_THE_SEARCH)
def test_a_search_that_has_just_begun_leaves_its_figures_out(make_run: Make, name: str) -> None:
    assert isinstance(FIGURES[name](gather(make_run(states=()))), str)
    assert isinstance(FIGURES[name](gather(make_run(states=("running", "failed")))), str)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_hostile_class_names_are_drawn_as_they_are(make_run: Make, name: str) -> None:
    run = make_run(
        class_names=HOSTILE, num_samples=15, source="image_folder", name=r"$\frac{$ " + "é" * 150
    )
    figure = drawn(gather(run), name)
    check_legible(figure)
    assert all(not text.get_text().count("\n") for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize("name", OF_CLASSES[:1] + OF_CLASSES[2:])
@pytest.mark.parametrize("num_classes", [1, 21, 120])
def test_any_number_of_classes_is_readable(make_run: Make, num_classes: int, name: str) -> None:
    class_names = [f"class number {number:03}" for number in range(num_classes)]
    run = make_run(class_names=class_names, states=(), num_pictures=num_classes * 60)
    check_legible(drawn(gather(run), name))


def test_a_big_confusion_matrix_has_no_counts_and_names_some_classes(make_run: Make) -> None:
    class_names = [f"class {number:03}" for number in range(120)]
    figure = drawn(gather(make_run(class_names=class_names, states=())), "confusion_matrix")
    assert not figure.axes[0].texts
    assert 10 < len(figure.axes[0].get_yticks()) < 60
    small = drawn(gather(make_run()), "confusion_matrix")
    assert len(small.axes[0].texts) == 100


def test_with_hundreds_of_classes_the_report_shows_the_worst_and_says_so(make_run: Make) -> None:
    run = make_run(class_names=[f"{number}" for number in range(200)], states=())
    facts = gather(run)
    assert "The 120 classes with the lowest F1 of 200." in words(
        figure := drawn(facts, "classification_report")
    )
    assert facts.measured is not None
    per_class = facts.measured.per_class
    worst = sorted(per_class, key=lambda name: per_class[name].f1)
    assert figure.axes[0].get_yticklabels()[0].get_text() == worst[0]


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3), (224, 96, 3), (1, 1, 1)])
def test_pictures_of_any_size_and_colour_are_shown(run: RunFolder, shape: tuple[int, ...]) -> None:
    np.savez(
        run.pictures,
        sample_images=np.full((6, *shape), 200, np.uint8),
        sample_labels=np.arange(6),
    )
    figure = drawn(gather(run), "samples")
    check_legible(figure)
    assert [axes.get_title() for axes in figure.axes][:2] == ["airplane", "automobile"]


def test_fewer_pictures_than_places_leave_no_frames(run: RunFolder) -> None:
    images = np.zeros((7, 8, 8, 3), np.uint8)
    np.savez(run.pictures, sample_images=images, sample_labels=np.full(7, 99))
    figure = drawn(gather(run), "samples")
    assert [len(axes.images) for axes in figure.axes] == [1] * 7 + [0] * 3
    assert not any(axes.axison for axes in figure.axes)
    assert figure.axes[0].get_title() == "99", "a label without a name is its number"


def test_the_test_curve_says_that_nothing_was_chosen_by_it(run: RunFolder) -> None:
    said = words(drawn(gather(run), "training_accuracy"))
    assert "test\n(monitor only)" in said
    assert "nothing was chosen" in said
    assert "trained on train + validation" in said
    last = read_csv(run.retrain.history)[-1]
    assert f"{float(last['test_accuracy']):.3f}  test" in said
    assert f"{float(last['train_accuracy']):.3f}  train" in said


def test_without_a_monitor_only_train_is_drawn(make_run: Make) -> None:
    figure = drawn(gather(make_run(monitor="none")), "training_loss")
    assert len(figure.axes[0].lines) == 1
    assert "test" not in words(figure).replace("10,000 test", "")


def test_validation_as_monitor_is_told_from_training_on_it(make_run: Make) -> None:
    said = words(drawn(gather(make_run(monitor="validation", test=False)), "training_loss"))
    assert "trained on train; watched on 5,000 validation" in said


def test_a_retrain_under_way_says_so_far(run: RunFolder) -> None:
    run.retrain.metrics.unlink()
    facts = gather(run)
    assert "30 epochs so far" in words(drawn(facts, "training_loss"))
    assert FIGURES["confusion_matrix"](facts) == "no retrain yet"


def test_scores_that_are_not_there_leave_their_figures_out(make_run: Make) -> None:
    run = make_run(test=False, monitor="none")
    rows = [row | {"train_auc": ""} for row in read_csv(run.retrain.history)]
    write_csv(run.retrain.history, list(rows[0]), rows)
    facts = gather(run)
    assert FIGURES["training_auc"](facts) == "no epoch has a finite auc"
    assert "no other pictures" in str(FIGURES["classification_report"](facts))
    assert "no other pictures" in str(FIGURES["confusion_matrix"](facts))


def test_one_epoch_is_a_dot_and_not_an_empty_axis(make_run: Make) -> None:
    facts = gather(make_run(retrain_epochs=1, num_epochs=1, states=("complete",) * 2))
    for name in ("training_loss", "intermediate_values"):
        assert num_colors(png(drawn(facts, name))) > 20


def test_what_did_not_end_is_dashed(make_run: Make) -> None:
    facts = gather(make_run(states=("complete", "pruned", "pruned")))
    assert facts.trials is not None
    trials = (*facts.trials[:2], replace(facts.trials[2], state="interrupted"))
    figure = drawn(replace(facts, trials=trials), "intermediate_values")
    dashed = {line.get_label(): line.get_linestyle() for line in figure.legends[0].get_lines()}
    assert dashed == {"pruned": "-", "interrupted": ":", "best": "-"}


def test_a_score_can_be_read_on_its_colour(run: RunFolder) -> None:
    """Contrast by WCAG 2: 4.5 at least."""
    axes = drawn(gather(run), "classification_report").axes[0]
    image = axes.images[0]
    array = np.asarray(image.get_array())
    for text in axes.texts:
        column, row = map(int, text.get_position())
        if column < array.shape[1]:
            light = [_light(c) for c in (text.get_color(), image.to_rgba(array[row, column]))]
            assert (max(light) + 0.05) / (min(light) + 0.05) >= 4.5


def _light(color: Any) -> float:
    part = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_few_trials_make_importances_noise_and_the_caption_says_so(make_run: Make) -> None:
    few = words(drawn(gather(make_run()), "importance"))
    assert "PED-ANOVA over 4 complete trials" in few
    assert "mostly noise" in few
    many = words(drawn(gather(make_run(states=("complete",) * 30)), "importance"))
    assert "mostly noise" not in many


@pytest.mark.parametrize("importances", [{}, {"depth": 0.0, "block1.channels": 0.0}])
def test_importances_of_nothing_are_left_out(run: RunFolder, importances: dict[str, float]) -> None:
    write_json(run.search, read_json(run.search) | {"importances": importances})
    assert "no searched value explains" in str(FIGURES["importance"](gather(run)))


def test_the_best_is_named_with_what_it_reached(run: RunFolder) -> None:
    facts = gather(run)
    assert facts.best is not None
    number, value = facts.best.number, facts.best.objective
    history, curves = (words(drawn(facts, name)) for name in OF_THE_SEARCH[:2])
    assert f"best {value:.3f}, trial {number}" in history
    assert f"{value:.3f}  trial {number}" in curves


def test_the_key_tells_every_state_and_kind_that_is_there(make_run: Make) -> None:
    states = ("complete", "pruned", "failed", "infeasible", "repeated", "complete", "running")
    run = make_run(states=states, startup_trials=3)
    rows = read_csv(run.trials)
    rows[0]["kind"], rows[6]["validation_accuracy"] = "baseline", "0.4"
    run.checkpoints.mkdir()  # as a search that was killed leaves it
    write_csv(run.trials, list(rows[0]), rows)
    figure = drawn(gather(run), "optimization_history")
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    stopped = {*states, "interrupted"} - {"running"}  # nobody goes on with it
    assert set(told) == {"random", "model-based", "baseline", *stopped}
    check_legible(figure)


def test_of_two_equals_each_panel_paints_the_same_one_as_the_best(make_run: Make) -> None:
    run = make_run(states=("complete",) * 12)
    facts = gather(run)
    assert facts.best is not None
    other = next(t for t in facts.complete if t.values["depth"] != facts.best.values["depth"])
    change = {"validation_accuracy": str(facts.best.objective)}
    rows = read_csv(run.trials)
    rows[other.number] |= change
    write_csv(run.trials, list(rows[0]), rows)
    facts = gather(run)
    assert facts.best is not None
    panels = [axes for axes in drawn(facts, "slice").axes if axes.get_title(loc="left")]
    painted = [len(axes.collections[2].get_offsets()) for axes in panels]  # type: ignore[arg-type]
    assert painted == [int(name in facts.best.values) for name in facts.dimensions]


def test_trials_in_order_are_not_called_random(make_run: Make) -> None:
    run = make_run(startup_trials=10, space={"training": {"learning_rate": [0.001, 0.01]}})
    text = run.config.read_text("utf-8").replace("name: tpe", "name: exhaustive")
    run.config.write_text(text, "utf-8")
    facts = gather(run)
    figure = drawn(facts, "optimization_history")
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "in order" in told
    assert "random" not in told
    leaderboard = tables.leaderboard(facts)
    assert {row["cells"][3][0] for row in leaderboard["rows"]} == {"in order"}


def test_a_line_passes_below_a_value_its_network_does_not_depend_on(make_run: Make) -> None:
    facts = gather(make_run(states=("complete",) * 12))
    assert {trial.values["depth"] for trial in facts.complete} == {2, 3, 4}
    figure = drawn(facts, "parallel_coordinate")
    heights = np.array(figure.axes[0].collections[0].get_segments())[:, :, 1]  # type: ignore[attr-defined]
    for column, name in enumerate(facts.dimensions):
        num_without = sum(name not in trial.values for trial in facts.complete)
        assert (heights[:, column] < -0.05).sum() == num_without
    assert words(figure).count("not used") == 4  # blocks 3 and 4, channels and kernel


def test_a_dimension_lies_where_its_scale_says() -> None:
    choice = Axis(Choice((64, 16, 32)))
    assert choice.position([16, 32, 64]).tolist() == [0, 0.5, 1]
    logarithmic = Axis(RealRange(1e-4, 1e-2, log=True))
    assert logarithmic.position([1e-4, 1e-3, 1e-2]) == pytest.approx([0, 0.5, 1])
    assert list(logarithmic.ticks().values()) == ["0.0001", "0.001", "0.01"]
    decade = Axis(RealRange(1e-3, 1e-2, log=True))
    assert list(decade.ticks().values()) == ["0.001", "0.003", "0.01"]
    assert list(Axis(RealRange(0.11, 0.19, log=True)).ticks().values()) == ["0.11", "0.14", "0.19"]
    assert Axis(RealRange(0, 4)).position([1]).tolist() == [0.25]
    assert list(Axis(IntegerRange(3, 11, 2)).ticks().values()) == ["3", "5", "7", "9", "11"]


@pytest.mark.parametrize(
    "dimension",
    [
        Choice(tuple(range(100))),
        Choice((0.001, 0.002)),
        IntegerRange(8, 4096, log=True),
        IntegerRange(1, 2),
        RealRange(3e-4, 7e-4, log=True),
        RealRange(0.001, 0.5),
    ],
)
def test_ticks_are_few_and_inside(dimension: Choice | IntegerRange | RealRange) -> None:
    ticks = Axis(dimension).ticks()
    assert 2 <= len(ticks) <= 8
    assert len(set(ticks.values())) == len(ticks)
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in ticks)


def test_missing_files_give_reasons_and_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "empty")
    facts, left_out = report(run)
    assert left_out.keys() == FIGURES.keys()
    assert all(left_out.values())
    assert not run.figures.exists()
    assert "Nothing was searched yet." in run.page.read_text()
    assert facts.config is None


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("config.yaml", {"parallel_coordinate", "slice"}),
        ("data.json", {"class_distribution"}),
        ("pictures.npz", {"samples"}),
        ("curves.csv", {"intermediate_values"}),
        ("search.json", {"importance"}),
        ("trials.csv", set(OF_THE_SEARCH) - {"intermediate_values"}),
        ("retrain/history.csv", {"training_loss", "training_accuracy", "training_auc"}),
        ("retrain/metrics.json", {"classification_report", "confusion_matrix"}),
    ],
)
def test_a_missing_file_leaves_out_only_what_stands_on_it(
    run: RunFolder, file: str, names: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.root / file).unlink()
    facts = gather(run)
    left_out = []
    for name, make in FIGURES.items():
        with monkeypatch.context() as patch, contextlib.suppress(BlankPageError):
            patch.setattr(Figure, "__init__", blank_page)
            assert isinstance(make(facts), str)
            left_out.append(name)
    assert set(left_out) == names


class BlankPageError(Exception):
    """Raised where a figure would be drawn: whether it can be is decided before."""


def blank_page(*_: object, **__: object) -> None:
    raise BlankPageError


def test_the_old_picture_of_a_figure_left_out_is_removed(run: RunFolder) -> None:
    run.figures.mkdir()
    (run.figures / "samples.png").write_bytes(b"old")
    (run.figures / "mine.png").write_bytes(b"the user's")
    for path in run.root.iterdir():
        if path.is_file():
            path.unlink()
    run.retrain.history.unlink()
    run.retrain.metrics.unlink()
    report(run)
    assert [path.name for path in run.figures.iterdir()] == ["mine.png"]


@pytest.mark.usefixtures("coarse")
def test_what_cannot_be_removed_or_written_is_named(tmp_path: Path, run: RunFolder) -> None:
    (run.figures / "samples.png").mkdir(parents=True)
    with pytest.raises(CannotCreateError, match=r"samples\.png"):
        report(RunFolder(run.root))
    run.pictures.unlink()
    with pytest.raises(CannotCreateError, match=r"samples\.png"):
        report(run)


def test_a_name_is_cut_in_its_middle_and_keeps_both_ends() -> None:
    assert ink.shorten("abcdefghijklmnop", 9) == "abcdef…op"
    assert len(ink.shorten("x" * 200, 20)) == 20
    assert ink.shorten("short", 20) == "short"


def test_names_that_look_the_same_get_their_number() -> None:
    assert ink.names(["猫", "犬", "cat", "\u200b"], 10) == ["□ #0", "□ #1", "cat", "#3"]
    assert ink.names(["猫犬", "cat 猫"], 10) == ["□□ #0", "cat □"], "boxes tell nothing apart"


def test_names_of_broad_letters_are_cut_to_fewer() -> None:
    broad, narrow, boxes = ink.names(["W" * 40, "i" * 40, "猫" * 40], 16)
    assert len(broad) < len(narrow) == 16
    assert boxes.endswith("□ #2")
    drawn = [Figure().text(0, 0, name, fontsize=10) for name in (broad, narrow, boxes)]
    assert all(text.get_window_extent().width <= 17 * 0.65 * 10 / 72 * 100 for text in drawn)


def test_a_dollar_is_a_dollar_and_no_formula() -> None:
    figure = Figure()
    text = figure.text(0, 0, ink.shorten(r"$\frac{$ and \$", 40))
    figure.draw_without_rendering()
    assert matplotlib.cbook.is_math_text(text.get_text()) is False


@pytest.mark.parametrize("heights", [[0.5], [0.5, 0.5, 0.5], [0.9, 0.1, 0.11], [1, 1], [0, 0, 0]])
def test_labels_keep_apart_in_order_and_near(heights: list[float]) -> None:
    axes = Figure().subplots()
    axes.set_ylim(0, 1)
    placed = ink.spread(heights, axes, 3)
    gap = ink.NOTE * 1.45 / 72 / 3
    ordered = sorted(placed)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(ordered))
    assert [placed[i] for i in np.argsort(heights, kind="stable")] == ordered
    assert ordered[0] >= 0
    assert ordered[-1] <= 1
    if len(heights) == 1:
        assert placed == heights
