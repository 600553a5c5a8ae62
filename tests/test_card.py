"""The model card: its numbers are the run's, its text is only text, its snippet runs."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from made_trained import trained_run
from nas_cifar10.card import card, escaped
from nas_cifar10.config import yaml_text
from nas_cifar10.config.load import load_config
from nas_cifar10.config.schema import Config
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RunFolder

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=http://evil.example/x.png>",
    "![x](http://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "http://evil.example",
    "www.evil.example",
    "a | b || c",
    "`code` **bold** _it_ ~~no~~",
    "# no heading",
    "&lt;script&gt; &amp; \" '",
    "\\`still a backslash",
    "line\nbreak\r\n---\n",
    "\x1b[31mred",
    "$x^2$",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return trained_run(tmp_path_factory.mktemp("run"))


def sources(
    run: RunFolder,
) -> tuple[dict[str, Any], dict[str, Any], Config, dict[str, Any], str]:
    """Return what the card of a run is written from."""
    model, metrics = read_json(run.retrain.description), read_json(run.retrain.metrics)
    return model, metrics, load_config(run.config), read_json(run.data), "test"


def tables(text: str) -> list[dict[str, list[str]]]:
    """Return each table as rows by their first cell."""
    found: list[dict[str, list[str]]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            found += [] if inside else [{}]
            first, *rest = (cell.strip() for cell in line.strip("|").split(" | "))
            found[-1][first] = rest
        inside = line.startswith("|")
    return found


def test_the_card_has_the_sections_people_look_for(run: RunFolder) -> None:
    text = run.retrain.card.read_text()
    assert re.findall(r"^##+ (.*)$", text, flags=re.MULTILINE) == [
        "Model Details",
        "Uses",
        "Direct Use",
        "Out-of-Scope Use",
        "Bias, Risks, and Limitations",
        "How to Get Started with the Model",
        "Training Details",
        "Training Data",
        "Training Procedure",
        "Evaluation",
        "Testing Data and Metrics",
        "Results",
        "Technical Specifications",
    ]


def test_every_number_of_the_evaluation_can_be_computed_again(run: RunFolder) -> None:
    text = run.retrain.card.read_text()
    _, measured, per_class = tables(text)
    with np.load(run.retrain.predictions) as stored:
        predicted, labels = stored["probabilities"].argmax(axis=1), stored["labels"]
        names = list(stored["class_names"])
    accuracy = accuracy_score(labels, predicted)
    assert measured["accuracy"] == [f"{100 * accuracy:.2f} %"]
    f1 = f1_score(labels, predicted, average="macro", labels=range(10), zero_division=0)
    assert measured["macro F1"] == [f"{f1:.4f}"]
    low, high = map(float, re.findall(r"([\d.]+) %", measured["95 % interval (Wilson)"][0]))
    assert low < 100 * accuracy < high
    table = precision_recall_fscore_support(labels, predicted, labels=range(10), zero_division=0)
    for number, name in enumerate(names):
        *shares, count = (column[number] for column in table)
        assert per_class[name] == [*(f"{share:.4f}" for share in shares), f"{count:,}"]
    assert f"On {len(labels):,} test pictures" in text


def test_the_other_numbers_are_those_of_the_files(run: RunFolder) -> None:
    text = run.retrain.card.read_text()
    model, metrics, config, data, _ = sources(run)
    pictures, *_ = tables(text)
    for name in data["class_names"]:
        parts = ("all", "train", "validation", "test")
        assert pictures[name] == [f"{data['pictures'][part][name]:,}" for part in parts]
    rate = model["provenance"]["candidate"]["training"]["learning_rate"]
    for said in (
        f"{metrics['parameters']:,} parameters, {metrics['macs']:,} multiply-accumulates",
        f"{metrics['epochs']} epochs, batches of 16, adam, learning rate {rate:g}, fp32",
        f"accuracy {100 * metrics['train']['accuracy']:.2f} %",
        f"`{data['fingerprint']}`",
        f"trial {metrics['trial']} of a search of {config.search.trials}",
        f"{data['totals']['all']:,} pictures: {data['totals']['train']:,} to learn from",
        "The pictures were looked at after each epoch too, for a curve that chose nothing",
    ):
        assert said in text


def test_the_recipe_is_told_where_it_is_not_plain(run: RunFolder, tmp_path: Path) -> None:
    assert "- Besides: nothing that is not plain\n" in run.retrain.card.read_text()
    recipe = ("optimizer=muon", "momentum=0.6", "schedule=cosine", "flip=random", "cutout=2")
    other = trained_run(
        tmp_path,
        *(f"training.{value}" for value in recipe),
        "space.training.weight_decay=[0.1, 0.2]",
        "retrain.seeds=2",
    )
    text = other.retrain.card.read_text()
    decay = read_json(other.retrain.description)["provenance"]["candidate"]["training"]
    wanted = f"momentum 0.6, schedule cosine, weight decay {decay['weight_decay']}, flip random"
    assert f"- Besides: {wanted}, cutout 2\n" in text
    told = read_json(other.retrain.description)["provenance"]["training"]
    values = {"optimizer": "muon", "momentum": 0.6, "cutout": 2, "translate": 0, "batch_size": 16}
    assert values | decay == {key: told[key] for key in values | decay}
    assert "one of 2 trainings that differ in nothing but their seed" in text
    assert "trainings that differ" not in run.retrain.card.read_text()


def test_the_front_matter_is_read_back(run: RunFolder) -> None:
    _, front, _ = run.retrain.card.read_text().split("---\n", 2)
    found: Any = yaml_text.parse(front).value
    assert (found["library_name"], found["pipeline_tag"]) == ("nas-cifar10", "image-classification")
    (model,) = found["model-index"]
    (result,) = model["results"]
    accuracy = read_json(run.retrain.metrics)["test"]["accuracy"]
    assert result["metrics"][0] == {"type": "accuracy", "value": accuracy}
    assert model["name"] == "tiny run"


def test_the_snippet_runs(run: RunFolder) -> None:
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(run.retrain.root / "picture.png")
    (code,) = re.findall(r"```python\n(.*?)```", run.retrain.card.read_text(), flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=run.retrain.root,
    )
    assert re.fullmatch(r"picture\.png \(\('\d', 0\.\d+\),\)\n", done.stdout)


def test_a_card_says_where_the_test_set_was_left_unread(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "a", "retrain.monitor=validation", "retrain.test=false")
    text = run.retrain.card.read_text()
    assert "validation pictures, which the network was chosen by, so they flatter it" in text
    assert "a curve that chose nothing" not in text
    run = trained_run(tmp_path / "b", "retrain.monitor=none", "retrain.test=false")
    assert "Not measured: the test set was left unread." in run.retrain.card.read_text()
    assert "model-index" not in run.retrain.card.read_text()


def test_the_card_can_be_written_again_from_the_files(run: RunFolder) -> None:
    assert card(*sources(run)) == run.retrain.card.read_text()


def shown(text: str) -> str:
    """Undo what `escaped` did, as a Markdown reader does."""
    return re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", html.unescape(text))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_of_unknown_origin_is_shown_and_does_nothing(run: RunFolder, payload: str) -> None:
    model, metrics, config, data, watched = sources(run)
    text = json.dumps([model, metrics, data]).replace('"3"', json.dumps(payload))
    model, metrics, data = json.loads(text)
    model["provenance"]["study"] = payload
    model["provenance"]["commit"] = payload
    written = card(model, metrics, config.model_copy(update={"name": payload}), data, watched)
    plain = card(*sources(run))
    assert written.count("\n") == plain.count("\n")
    body = written.split("---\n", 2)[2] if "\n" not in payload else written
    assert not re.search(r"<[a-zA-Z/!]", body.replace("<class>", ""))
    assert "\x1b" not in written
    bare = re.sub(r"```.*?```", "", body, flags=re.DOTALL)
    for sign in ("](", "://", "www.e"):
        assert sign not in re.sub(r"\\.", "", bare)
    cell = escaped(payload)
    assert f"| {cell} |" in written
    if payload.isprintable():
        assert shown(cell) == payload
    front: Any = yaml_text.parse(re.split(r"^---\n", written, flags=re.MULTILINE)[1]).value
    assert front["model-index"][0]["name"] == payload
