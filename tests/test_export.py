"""Exported models: equal to the model in a process of its own, or not written at all."""

import ast
import functools
import importlib
import importlib.util
import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from made_links import some_of_cifar10
from made_trained import made_model, made_part, nas, refused, trained_run
from nas_cifar10 import export, export_check
from nas_cifar10.data.image_folder import decode_all, files_below
from nas_cifar10.data.parts import Part
from nas_cifar10.errors import BadDataError, NasError
from nas_cifar10.export import FORMATS, compared, export_model
from nas_cifar10.model import Model, Shape, probabilities, read_model
from nas_cifar10.networks.layers import BLOCKS
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.space.candidate import Architecture, Block

ROOT = Path(__file__).parents[1]
EXTRA = ("onnx", "onnxruntime", "onnxscript")
MISSING = not all(importlib.util.find_spec(name) for name in EXTRA)
NEEDED = pytest.mark.skipif(MISSING, reason="the extra [export] is not installed")
FORMS = [pytest.param("onnx", marks=NEEDED), pytest.param("pt2", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return trained_run(tmp_path_factory.mktemp("digits"))


def wrapped(model: Model) -> Model:
    """Return a model whose weights are a little off."""
    state = {k: v.clone() for k, v in model.network.state_dict().items()}
    other = made_model(shape=model.shape)
    state["head.bias"] += 0.01 * torch.arange(4)
    other.network.load_state_dict(state)
    return other


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 33)])
@pytest.mark.parametrize("form", FORMS)
def test_the_file_says_what_the_model_says(tmp_path: Path, form: str, shape: Shape) -> None:
    path = tmp_path / "model"
    assert export_model(made_model(shape=shape), form, path, made_part(shape)) <= 1e-5
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that writes the made model in a form; asked again, it has it."""
    folder = tmp_path_factory.mktemp("exported")

    @functools.cache
    def written(form: str) -> Path:
        export_model(made_model(), form, folder / f"model.{form}", made_part())
        return folder / f"model.{form}"

    return written


RICH = {
    "strided residual": Architecture(
        (
            Block("residual", 6, 3, 2, "batch", "gelu", "stride", 0.2),
            Block("residual", 6, 3, 1, "batch", "silu", "average"),
        ),
        stem="whitening",
        head="average",
    ),
    "skipped separable": Architecture(
        (Block("depthwise_separable", 8, 5, 3, "batch", "silu", "max", 0.1, "add"),),
        stem="conv",
        head="max",
    ),
    "unpooled": Architecture((Block("conv", 4, 3, 2, pooling="none"), Block("conv", 6, 3))),
}


@pytest.fixture(scope="module")
def many() -> Part:
    """Return CIFAR-10's 10,000 test pictures; where they are not, made ones."""
    folder = ROOT / "data/cifar/test"
    if not folder.is_dir():
        return made_part((3, 32, 32))
    paths, _ = files_below(folder)
    pixels, errors = decode_all(paths, 3, 32)
    assert (len(pixels), set(errors)) == (10_000, {None})
    images = torch.from_numpy(pixels)
    return Part(images, torch.zeros(len(images), dtype=torch.int64), torch.arange(len(images)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [*BLOCKS, *RICH])
def test_every_kind_of_block_says_the_same_of_many_pictures(
    tmp_path: Path, many: Part, name: str, form: str
) -> None:
    shape = (3, 32, 32)
    model = made_model(name, shape) if name in BLOCKS else made_model("", shape, 0, RICH[name])
    assert export_model(model, form, tmp_path / "model", many) <= 1e-5


@NEEDED
def test_onnx_describes_itself(exported: Callable[[str], Path]) -> None:
    ort = importlib.import_module("onnxruntime")
    model, path = made_model(), exported("onnx")
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images,), (said,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type) == ("images", "tensor(uint8)")
    assert isinstance(images.shape[0], str)
    assert images.shape[1:] == [3, 16, 16]
    assert (said.name, said.type, said.shape[1:]) == ("probabilities", "tensor(float)", [4])
    found = session.get_modelmeta().custom_metadata_map
    assert json.loads(found["class_names"]) == list(model.class_names)
    assert json.loads(found["input_range"]) == [0, 255]
    assert json.loads(found["provenance"]) == model.provenance
    assert str(ROOT).encode() not in path.read_bytes()
    for num in (1, 2, 7):
        part = made_part(num=num)
        (answer,) = session.run(None, {"images": part.images.numpy()})
        assert np.abs(answer - probabilities(model.network, part)).max() < 1e-5


@pytest.mark.slow
def test_pt2_describes_itself(exported: Callable[[str], Path]) -> None:
    model, path = made_model(), exported("pt2")
    extra: dict[str, Any] = {export.METADATA: ""}
    program = torch.export.load(path, extra_files=extra).module()
    found = json.loads(extra[export.METADATA])
    assert json.loads(found["class_names"]) == list(model.class_names)
    assert json.loads(found["provenance"]) == model.provenance
    with zipfile.ZipFile(path) as archive:
        assert not any(str(ROOT).encode() in archive.read(name) for name in archive.namelist())
    part = made_part(num=1)
    answer = program(part.images).detach().numpy()
    assert np.abs(answer - probabilities(model.network, part)).max() < 1e-5


@pytest.mark.parametrize("form", FORMS)
def test_an_export_without_the_normalisation_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(export, "normalise", lambda images: images.float())
    with pytest.raises(NasError, match="says something else than the model, and was not kept"):
        export_model(made_model(), form, tmp_path / "model", made_part())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_an_export_with_other_weights_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    real = FORMATS[form]
    broken = replace(real, content=lambda model: real.content(wrapped(model)))
    monkeypatch.setitem(FORMATS, form, broken)
    with pytest.raises(NasError, match="probabilities differ by up to"):
        export_model(made_model(), form, tmp_path / "model", made_part())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_short_is_caught_and_an_earlier_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported: Callable[[str], Path], form: str
) -> None:
    whole = exported(form).read_bytes()
    monkeypatch.setitem(FORMATS, form, replace(FORMATS[form], content=lambda model: whole[:-500]))
    (tmp_path / "model").write_text("an earlier one")
    with pytest.raises(NasError, match="the exported file cannot be used, and was not kept: "):
        export_model(made_model(), form, tmp_path / "model", made_part())
    assert (tmp_path / "model").read_text() == "an earlier one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_difference_is_judged_by_class_and_by_probability() -> None:
    expected = np.array([[0.6, 0.4], [0.5, 0.5]], np.float32)
    assert compared(expected, expected) == 0
    assert compared(expected, expected + np.float32(5e-5)) == pytest.approx(5e-5, rel=0.01)
    for found in (expected[:, ::-1], expected + np.float32(2e-4), expected * np.float32("nan")):
        with pytest.raises(NasError, match="says something else"):
            compared(expected, found)
    with pytest.raises(NasError, match=r"answers \(1, 2\), not \(2, 2\)"):
        compared(expected, expected[:1])


def test_large_pictures_are_asked_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def ask(pixels: export_check.Images) -> export_check.Probabilities:
        asked.append(len(pixels))
        return np.zeros((len(pixels), 2), np.float32)

    pipes = [SimpleNamespace(buffer=io.BytesIO(bytes(size))) for size in (6 * 512 * 256, 0)]
    monkeypatch.setitem(export_check.FORMATS, "made", lambda path: ask)
    monkeypatch.setattr("sys.stdin", pipes[0])
    monkeypatch.setattr("sys.stdout", pipes[1])
    export_check.main("made", "", (6, 1, 512, 256))
    assert asked == [1, 2, 2, 1]


def test_the_check_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(export_check.__file__).read_text())
    names = {ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)}
    assert not any("nas_cifar10" in name for name in names)


@pytest.mark.parametrize("form", FORMS)
def test_the_command_writes_beside_the_model_and_says_what_was_checked(
    digits: RunFolder, form: str
) -> None:
    result = nas("export", "--run", digits.root, "--format", form)
    assert result.exit_code == 0, result.output
    with np.load(digits.retrain.predictions) as stored:
        num = len(stored["labels"])
    assert f"on {num} test pictures: same classes" in result.stdout
    path = digits.retrain.root / f"model.{form}"
    assert result.stdout.endswith(f"model in {path}\n")


@pytest.mark.slow
def test_out_names_another_place(digits: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "new" / "m.pt2"
    words = ("--run", digits.root, "--format", "pt2", "--out", path, "--json")
    found = json.loads(nas("export", *words).stdout)
    assert (found["file"], found["bytes"]) == (str(path), path.stat().st_size)
    assert found["checked"]["largest_difference"] <= 1e-4
    assert path.is_file()
    for there in (path, digits.retrain.model, digits.study):
        before = there.read_bytes()
        message = refused(73, "export", "--run", digits.root, "--format", "pt2", "--out", there)
        assert f"{there}: exists already; name another file" in message
        assert there.read_bytes() == before
    message = refused(73, "export", "--run", digits.root, "--format", "pt2", "--out", tmp_path)
    assert "cannot be written" in message


@pytest.mark.slow
def test_another_retrain_takes_the_exported_files_away(tmp_path: Path) -> None:
    run = trained_run(tmp_path)
    assert nas("export", "--run", run.root, "--format", "pt2").exit_code == 0
    again = ("retrain", "--run", run.root, "--resume", "--set", "retrain.epochs=4")
    assert nas(*again).exit_code == 0
    assert not run.retrain.pt2.exists()


@pytest.mark.slow
def test_an_unread_test_set_stays_unread(tmp_path: Path) -> None:
    settings = ("retrain.monitor=validation", "retrain.test=false")
    run = trained_run(tmp_path, *settings)
    result = nas("export", "--run", run.root, "--format", "pt2")
    assert "validation pictures: same classes" in result.stdout


def test_pictures_that_are_gone_or_others_are_refused(tmp_path: Path) -> None:
    from made_pictures import noise, save

    for number in range(24):
        for name in ("cat", "dog"):
            save(tmp_path / "pictures/train" / name / f"{number}.png", noise(seed=number))
    data = f"data={{source: image_folder, root: {tmp_path / 'pictures'}, image_size: 8}}"
    run = trained_run(tmp_path, data)
    words = ("export", "--run", run.root, "--format", "pt2")
    save(tmp_path / "pictures/train/cat/0.png", noise(seed=99))
    assert "are not those the study was made with" in refused(78, *words)
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    message = refused(66, *words)
    assert "no such folder" in message
    assert "they are gone" in message
    assert not run.retrain.pt2.exists()


def test_cifar10_is_not_downloaded_for_a_check(digits: RunFolder, tmp_path: Path) -> None:
    model = read_model(digits.retrain)
    run = RunFolder(tmp_path)
    run.config.write_text("name: x\ndata: {source: cifar10, root: nowhere}\nspace: {}\n")
    with pytest.raises(NasError, match="nowhere: CIFAR-10 is not here; nas data fetches it"):
        export.pictures_of_run(run, model)


@pytest.mark.parametrize("provenance", [{}, {"data": "x"}, {"data": {"fingerprint": "x"}}])
def test_a_model_that_does_not_say_its_pictures_is_refused_in_one_line(
    digits: RunFolder, provenance: dict[str, Any]
) -> None:
    model = replace(read_model(digits.retrain), provenance=provenance)
    with pytest.raises(BadDataError, match=r"model\.json: does not say which pictures"):
        export.pictures_of_run(digits, model)


def test_a_wrong_format_and_a_run_without_a_model_are_refused(
    digits: RunFolder, tmp_path: Path
) -> None:
    message = refused(2, "export", "--run", digits.root, "--format", "tflite")
    assert "--format: must be onnx or pt2, got 'tflite'" in message
    (tmp_path / "environment.json").write_bytes(digits.environment.read_bytes())
    assert "nas retrain --run" in refused(66, "export", "--run", tmp_path, "--format", "pt2")


@NEEDED
@pytest.mark.parametrize("name", EXTRA)
def test_a_missing_package_is_named_with_what_installs_it(
    digits: RunFolder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    message = refused(66, "export", "--run", digits.root, "--format", "onnx")
    assert f"needs the package {name}" in message
    assert "pip install 'nas-cifar10[export]'" in message


@NEEDED
@pytest.mark.cifar
@pytest.mark.slow
def test_both_forms_equal_the_model_on_all_10000_test_pictures(tmp_path: Path) -> None:
    root = some_of_cifar10(tmp_path / "cifar", train=330)
    data = f"data={{source: image_folder, root: {root}, validation_images: 300}}"
    few = ("search.trials=1", "training.epochs=1", "retrain.epochs=1", "retrain.monitor=validation")
    run = trained_run(tmp_path, data, *few, "space.channels=16")
    for form in FORMATS:
        result = nas("export", "--run", run.root, "--format", form)
        assert result.exit_code == 0, result.output
        assert "on 10,000 test pictures: same classes" in result.stdout


@pytest.mark.parametrize("replaced", [True, False])
def test_a_model_that_is_given_up_meanwhile_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    run = trained_run(tmp_path)

    def slow(*arguments: Any) -> float:
        worst = export_model(*arguments)
        run.retrain.model.unlink()
        if replaced:
            run.retrain.model.write_bytes(b"another")
        return worst

    monkeypatch.setattr("nas_cifar10.cli.model.export_model", slow)
    message = refused(1, "export", "--run", run.root, "--format", "pt2")
    assert "model.pt: was given up meanwhile; not kept, export once more" in message
    assert not run.retrain.pt2.exists()
