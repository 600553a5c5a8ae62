"""The commands that use a retrained model: predict and export. Parses no flag."""

import itertools
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from nas_cifar10.cli.output import announce, print_table, stdout_console
from nas_cifar10.errors import BadDataError, CannotCreateError, NasError
from nas_cifar10.export import FORMATS, check_needed, export_model, pictures_of_run
from nas_cifar10.model import Model, read_model
from nas_cifar10.predict import Answer, check_top, picture_files
from nas_cifar10.predict import predict as answers_of
from nas_cifar10.runs.files import remove
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.reading import read_bytes
from nas_cifar10.text import harmless, one_line

DEFAULT_TOP = 3
ROWS_A_TABLE = 1000  # then it is printed, so that memory stays flat


def predict(run: RunFolder, paths: Sequence[Path], top: int | None, *, as_json: bool) -> None:
    """Print what the run's model says about pictures; name the bad ones on stderr.

    Raises:
        BadDataError: some could not be read; the others were answered.
        NasError: there is no model, or no picture.
    """
    files, num_passed = picture_files(paths)
    model = read_model(run.retrain)
    top = min(DEFAULT_TOP, len(model.class_names)) if top is None else top
    check_top(model, top)
    _note(model, num_passed)
    num_bad, answers = 0, answers_of(model, files, top)
    show = _print_lines if as_json else _Tables()
    while some := list(itertools.islice(answers, ROWS_A_TABLE)):
        bad = [answer for answer in some if answer.reason is not None]
        for answer in bad:
            print(harmless(f"{one_line(answer.path)}: {answer.reason}"), file=sys.stderr)
        num_bad += len(bad)
        show([answer for answer in some if answer.reason is None])
    if num_bad:
        whole = f"{len(files):,} picture{'' if len(files) == 1 else 's'}"
        raise BadDataError(f"{num_bad:,} of {whole} cannot be read")


def _note(model: Model, num_passed: int) -> None:
    if num_passed:
        files = "1 file that is" if num_passed == 1 else f"{num_passed:,} files that are"
        print(f"note: passed over {files} no picture", file=sys.stderr)
    if model.shape[0] == 1:
        print("note: the model sees grey; colours are turned into their luma", file=sys.stderr)


def _print_lines(answers: Iterable[Answer]) -> None:
    for answer in answers:
        top = [{"label": label, "probability": round(share, 6)} for label, share in answer.top]
        print(json.dumps({"file": str(answer.path), **top[0], "top": top}))


class _Tables:
    """Prints answers as tables, the first of which has a head."""

    def __init__(self) -> None:
        self.with_head = True

    def __call__(self, answers: Sequence[Answer]) -> None:
        if not answers:
            return
        table = Table(show_header=self.with_head, pad_edge=False)
        table.add_column("file", overflow="fold")
        table.add_column("label", overflow="fold")
        table.add_column("probability", justify="right")
        if len(answers[0].top) > 1:
            table.add_column("then", overflow="fold")
        for answer in answers:
            table.add_row(*_cells(answer))
        stdout_console().print(table)
        self.with_head = False


def _cells(answer: Answer) -> list[Text]:
    (label, share), *others = answer.top
    cells = [one_line(answer.path), one_line(label), f"{share:.4f}"]
    if others:
        cells.append(", ".join(f"{one_line(name)} {rest:.4f}" for name, rest in others))
    return [Text(harmless(cell)) for cell in cells]


def export(run: RunFolder, form: str, out: Path | None, *, as_json: bool) -> None:
    """Write the run's model in another form, proved equal on the run's own pictures.

    Raises:
        NasError: there is no model, there are no pictures, or the file answers differently.
    """
    check_needed(form)
    if out is not None and os.path.lexists(out) and not out.is_dir():
        raise CannotCreateError(f"{one_line(out)}: exists already; name another file with --out")
    weights = read_bytes(run.retrain.model) if run.retrain.model.exists() else b""
    model = read_model(run.retrain)
    announce("reading the run's pictures, which the file is checked on")
    name, part = pictures_of_run(run, model)
    path = out or {"onnx": run.retrain.onnx, "pt2": run.retrain.pt2}[form]
    worst = export_model(model, form, path, part)
    if not run.retrain.model.exists() or read_bytes(run.retrain.model) != weights:
        remove(path)
        raise NasError(f"{run.retrain.model}: was given up meanwhile; not kept, export once more")
    if as_json:
        checked = {"part": name, "pictures": len(part), "largest_difference": worst}
        size = path.stat().st_size
        print(json.dumps({"file": str(path), "format": form, "bytes": size, "checked": checked}))
        return
    rows = [
        ("format", FORMATS[form].title),
        ("input", f"images: uint8 (batch, {', '.join(map(str, model.shape))}), 0 to 255"),
        ("output", f"probabilities: float32 (batch, {len(model.class_names)})"),
        ("size", f"{path.stat().st_size:,} bytes"),
        ("checked", f"in a process of its own on {len(part):,} {name} pictures: same classes"),
        ("largest difference", f"{worst:.1e} of a probability"),
    ]
    print_table(rows)
    print(f"model in {one_line(path)}")
