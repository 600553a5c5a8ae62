"""The model card: what a model is, learnt from, is worth and is not for, as Markdown.

Every number is one of the run's files; text of unknown origin is shown as it stands, on one line.
The sections are those of Hugging Face's model cards. Knows neither torch nor a folder.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nas_cifar10.config import yaml_text
from nas_cifar10.config.retrain import RetrainConfig
from nas_cifar10.config.schema import WITH_MOMENTUM, Config, TrainingConfig
from nas_cifar10.described import PARTS, unmeasured_test
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.text import one_line, percent, rounded

Values = Mapping[str, Any]

# What opens markup, a link, a heading, a table's cell or a formula; `www.` is a link in itself.
_SPECIAL = re.compile(r"([\\`*_\[\]#|~:@$]|(?<=www)\.)", re.IGNORECASE)

_LOAD = """\
## How to Get Started with the Model

In this folder, where nas-cifar10 is installed (`nas predict` does the same from a shell):

```python
from pathlib import Path

from nas_cifar10.model import read_model
from nas_cifar10.predict import predict
from nas_cifar10.runs.folder import RetrainFolder

model = read_model(RetrainFolder(Path(".")))
for answer in predict(model, [Path("picture.png")], top=1):
    print(answer.path, answer.top or answer.reason)
```

`model.pt` is a bare state_dict and is read with `weights_only=True`; `model.json` says of which
network. `nas export --format onnx` makes a file that needs neither torch nor this project.
"""

_USE = """\
## Uses

### Direct Use

For pictures like those it learnt from, cropped and framed alike.

### Out-of-Scope Use

Decisions about people, and wherever a mistake is dangerous: nothing was looked at that would make
it fit for them. Nor pictures of anything but its classes, to which it answers all the same.

## Bias, Risks, and Limitations

It always answers with one of its classes, also on a picture of something else, and its
probabilities were not calibrated. What its pictures leave out or show too often, it has learnt so.
The interval beside the accuracy is that of the pictures measured on: it says nothing of another
seed, camera or time.
"""


def escaped(text: object) -> str:
    """Return text as Markdown that shows it as it stands: no markup, HTML or link comes of it."""
    return html.escape(_SPECIAL.sub(r"\\\1", one_line(text)))


def card(model: Values, metrics: Values, config: Config, data: Values, watched: str | None) -> str:
    """Return the card.

    Args:
        model: What model.json holds.
        metrics: What metrics.json holds.
        data: What data.json holds.
        watched: The part that was measured after each epoch, if any was.
    """
    part = next((name for name in ("test", "validation") if name in metrics), None)
    sections = [
        f"---\n{yaml_text.dump(_front_matter(model, metrics, part))}---\n",
        f"# {escaped(config.name)}\n",
        _details(model, metrics),
        _USE,
        _LOAD,
        _training_data(config, data),
        _training_procedure(model, metrics, config),
        _evaluation(model, metrics, part, data, config.retrain, watched),
        _provenance(model),
    ]
    return "\n".join(sections)


def _front_matter(model: Values, metrics: Values, part: str | None) -> dict[str, Any]:
    origin = model["provenance"]
    found: dict[str, Any] = {
        "library_name": "nas-cifar10",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "neural-architecture-search"],
    }
    if part is not None:
        scores = {name: metrics[part][name] for name in ("accuracy", "macro_f1")}
        source = origin["data"]["source"]
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"name": source, "type": source, "split": part},
            "metrics": [{"type": name, "value": value} for name, value in scores.items()],
        }
        found["model-index"] = [{"name": origin["study"], "results": [result]}]
    return found


def _details(model: Values, metrics: Values) -> str:
    channels, height, width = model["picture_shape"]
    network = Candidate.from_json({"architecture": model["architecture"]}).architecture
    colours, scale = "grey" if channels == 1 else "RGB", model["normalisation"]
    rows = [
        "## Model Details\n",
        "A small convolutional network that sorts pictures, found by a search and then trained "
        "for longer.\n",
        f"- Network: {escaped(network)}; {metrics['parameters']:,} parameters, "
        f"{metrics['macs']:,} multiply-accumulates a picture",
        f"- Input: {height} x {width} pixels, {colours}, 0 to 255, "
        f"scaled by 1/{1 / scale['scale']:.0f}, then mean {scale['mean'][0]} and standard "
        f"deviation {scale['std'][0]} taken out; other sizes are resized by the shorter side and "
        "cropped to the middle",
        f"- Output: one of {len(model['class_names'])} classes: "
        f"{', '.join(map(escaped, model['class_names']))}",
    ]
    return "\n".join(rows) + "\n"


def _training_data(config: Config, data: Values) -> str:
    totals = data["totals"]
    shared = {pair.replace("_", " and "): num for pair, num in data["duplicates"].items()}
    duplicates = [f"{num:,} in {escaped(pair)}" for pair, num in shared.items() if num]
    rows = [
        "## Training Details\n",
        "### Training Data\n",
        f"- Source: {escaped(config.data.source)}; {totals['all']:,} pictures: "
        f"{totals['train']:,} to learn from, {totals['validation']:,} to choose the network by, "
        f"{totals['test']:,} to measure it on",
        f"- Pictures with the very same pixels: {'; '.join(duplicates) or 'none'}",
        f"- Left out: {data['skipped']:,} that could not be read, {data['ignored']:,} other files",
        f"- Fingerprint (SHA-256): `{data['fingerprint']}`",
        "",
        *_table(
            ("class", *PARTS),
            [
                (name, *(f"{data['pictures'][part][name]:,}" for part in PARTS))
                for name in data["class_names"]
            ],
        ),
    ]
    return "\n".join(rows) + "\n"


def _training_procedure(model: Values, metrics: Values, config: Config) -> str:
    origin, settings = model["provenance"], config.training
    values = origin["training"]
    learnt = "the training part" if config.retrain.monitor == "validation" else "train + validation"
    search = config.search
    rows = [
        "### Training Procedure\n",
        f"- Candidate: trial {origin['trial']} of a search of {search.trials:,} at most, each "
        f"of at most {settings.epochs:,} epochs; sampler {search.sampler.name}, objective "
        f"{' and '.join(search.objectives or [search.objective]).replace('_', ' ')} on validation",
        f"- Trained {_beginning(origin)}, on {learnt}: {metrics['epochs']:,} epochs, "
        f"batches of {values['batch_size']:,}, {values['optimizer']}, learning rate "
        f"{values['learning_rate']:.6g}, {origin['precision']}, {metrics['seconds']:,} s",
        f"- Besides: {', '.join(_recipe(values)) or 'nothing that is not plain'}",
        f"- At the end, on the pictures it learnt from: accuracy "
        f"{percent(metrics['train']['accuracy'], 2)}, loss {metrics['train']['loss']:.4f}",
    ]
    return "\n".join(rows) + "\n"


def _recipe(values: Values) -> Iterator[str]:
    """Yield what differs from a plain training and is not told elsewhere, by its key."""
    idle = set() if values["optimizer"] in WITH_MOMENTUM else {"momentum"}
    for key, value in TrainingConfig().model_dump(exclude=_TOLD_APART | idle).items():
        if values[key] != value:
            yield f"{key.replace('_', ' ')} {_short(values[key])}"


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


_TOLD_APART = {"epochs", "batch_size", "learning_rate", "optimizer", "precision", "threads"}


def _beginning(origin: Values) -> str:
    start, frozen = origin.get("start"), origin["retrain"].get("freeze", 0)
    if start is None:
        return "anew, from drawn weights"
    kept = f"; the stem and {frozen} of the blocks stayed as they were" if frozen else ""
    words = ", ".join(f"{escaped(key)} {escaped(value)}" for key, value in start.items())
    return f"from the weights of another model ({words}), with a new last layer{kept}"


def _evaluation(
    model: Values,
    metrics: Values,
    part: str | None,
    data: Values,
    settings: RetrainConfig,
    watched: str | None,
) -> str:
    if part is None:
        return f"## Evaluation\n\nNot measured: the test set {unmeasured_test(watched)}.\n"
    scores, auc = metrics[part], metrics[part]["auc_ovr_macro"]
    low, high = scores["accuracy_ci95"]
    said = {
        "test": "measured once, after the last epoch; nothing was chosen by them",
        "validation": "which the network was chosen by, so they flatter it; the test set was "
        "left unread",
    }[part]
    rows = [
        "## Evaluation\n",
        "### Testing Data and Metrics\n",
        f"On {data['totals'][part]:,} {part} pictures, {said}, in fp32. Accuracy is the "
        "share answered right; macro F1 is the mean of the classes' F1.\n",
        *_reservations(model["provenance"], part, settings, watched),
        "### Results\n",
        *_table(
            ("", part),
            [
                ("accuracy", percent(scores["accuracy"], 2)),
                ("95 % interval (Wilson)", f"{percent(low, 2)} to {percent(high, 2)}"),
                ("always the most frequent class", percent(scores["majority_accuracy"], 2)),
                ("macro F1", rounded(scores["macro_f1"], 4)),
                ("macro AUC, one against the rest", "none" if auc is None else rounded(auc, 4)),
                ("loss (cross-entropy, nats)", f"{scores['loss']:.4f}"),
                *_views(metrics.get("test_views")),
            ],
        ),
        "",
        *_table(
            ("class", "precision", "recall", "F1", "pictures"),
            [
                (name, *(rounded(row[key], 4) for key in _SCORES), f"{row['support']:,}")
                for name, row in metrics["per_class"].items()
            ],
        ),
    ]
    return "\n".join(rows) + "\n"


def _reservations(
    origin: Values, part: str, settings: RetrainConfig, watched: str | None
) -> Iterator[str]:
    """Yield what else to know of the numbers, a paragraph each."""
    if part == "test" and watched == "test":
        yield "The pictures were looked at after each epoch too, for a curve that chose nothing.\n"
    if "start" in origin:
        yield (
            "The pictures must not be among those that the model it began with learnt from, which "
            "was not checked.\n"
        )
    if settings.seeds > 1:
        told = f"This is one of {settings.seeds:,} trainings that differ in nothing but their seed"
        yield f"{told}; `summary.json` of the run's retrain says how far apart they are.\n"


def _views(found: Values | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    low, high = found["accuracy_ci95"]
    name = f"mean of {found['number']} views ({found['views'].replace('_', ' ')})"
    interval = f"{percent(low, 2)} to {percent(high, 2)}"
    return [(f"accuracy, {name}", f"{percent(found['accuracy'], 2)} ({interval})")]


_SCORES = ("precision", "recall", "f1")


def _provenance(model: Values) -> str:
    origin = model["provenance"]
    versions = ", ".join(f"{escaped(k)} {escaped(v)}" for k, v in origin["versions"].items() if v)
    rows = [
        "## Technical Specifications\n",
        f"- Study {escaped(origin['study'])}, trial {origin['trial']}, candidate "
        f"`{origin['fingerprint']}`, seed {origin['seed']}",
        f"- Commit {escaped(origin['commit'] or 'unknown')}; {versions}",
        "- Everything is in `model.json` and in the run's folder: config, study, predictions",
    ]
    return "\n".join(rows) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table whose first column is text, and the others numbers."""
    align = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(cells)} |" for cells in (head, align, *map(_cells, rows))]


def _cells(row: Sequence[str]) -> list[str]:
    return [escaped(row[0]), *row[1:]]
