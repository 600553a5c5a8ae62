"""Pictures of any kind through `nas predict`: answered, or named and passed by."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from made_pictures import noise
from made_trained import made_model, nas, refused, trained_run
from nas_cifar10.errors import ConfigError
from nas_cifar10.predict import check_top, picture_files, predict
from nas_cifar10.runs.folder import RunFolder

MODES = {
    "png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "jpg": ["L", "RGB", "CMYK"],
    "webp": ["RGB", "RGBA"],
    "bmp": ["1", "L", "P", "RGB"],
    "gif": ["L", "P", "RGB"],
    "tiff": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"],
    "ppm": ["1", "L", "RGB"],
}
SIZES = [(1, 1), (1, 7), (8, 8), (33, 20), (64, 48), (3, 500), (2000, 3)]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return trained_run(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Path]:
    """Return a run on a folder of pictures of three colours, and the folder."""
    folder = tmp_path_factory.mktemp("coloured")
    draw = np.random.default_rng(0)
    for part, num in (("train", 30), ("test", 8)):
        for channel, name in enumerate(("red", "green", "blue")):
            (folder / "pictures" / part / name).mkdir(parents=True)
            for number in range(num):
                size = (*draw.integers(5, 60, 2), 3)
                pixels = draw.integers(0, 160, size, np.uint8)
                pixels[..., channel] += 80
                suffix = ("png", "jpg", "webp")[number % 3]
                path = folder / "pictures" / part / name / f"{number}.{suffix}"
                Image.fromarray(pixels).save(path)
    data = f"data={{source: image_folder, root: {folder / 'pictures'}, image_size: 16}}"
    return trained_run(folder, data), folder / "pictures"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def mixed(folder: Path, num: int) -> None:
    """Write pictures of every mode, format and size, some of them turned by EXIF."""
    kinds = [(suffix, mode) for suffix, modes in MODES.items() for mode in modes]
    turns = itertools.cycle(range(1, 9))
    for number in range(num):
        suffix, mode = kinds[number % len(kinds)]
        image = in_mode(noise(*SIZES[number % len(SIZES)], seed=number), mode)
        options: dict[str, Any] = {}
        if suffix in {"jpg", "png", "tiff", "webp"}:
            exif = Image.Exif()
            exif[0x0112] = next(turns)
            options["exif"] = exif
        path = folder / f"{number % 7}" / f"{number:04}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, **options)


def test_of_1000_mixed_pictures_997_are_answered_and_three_named(
    digits: RunFolder, coloured: tuple[RunFolder, Path], tmp_path: Path
) -> None:
    mixed(tmp_path, 997)
    (tmp_path / "0" / "empty.png").touch()
    (tmp_path / "1" / "text.jpg").write_text("no picture")
    whole = next((tmp_path / "2").glob("*.jpg")).read_bytes()
    (tmp_path / "2" / "half\x1b[31m.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "notes.txt").write_text("not read")
    (tmp_path / ".hidden.png").write_text("not read")
    for run in (digits, coloured[0]):
        result = nas("predict", tmp_path, "--run", run.root, "--json")
        assert result.exit_code == 65
        answers = lines(result.stdout)
        assert len(answers) == len({answer["file"] for answer in answers}) == 997
        bad = [line for line in result.stderr.splitlines() if line.startswith(str(tmp_path))]
        assert [line.removeprefix(str(tmp_path)).partition(": ")[0] for line in bad] == [
            "/0/empty.png",
            "/1/text.jpg",
            "/2/half\\x1b[31m.jpg",
        ]
        assert "3 of 1,000 pictures cannot be read" in result.stderr
        assert "passed over 2 files" in result.stderr
        assert "\x1b" not in result.stderr
        for answer in answers:
            shares = [each["probability"] for each in answer["top"]]
            assert shares == sorted(shares, reverse=True)
            assert answer["probability"] == shares[0]
            assert 0 <= sum(shares) <= 1.00001


def test_test_pictures_get_the_probabilities_that_the_retrain_measured(
    coloured: tuple[RunFolder, Path],
) -> None:
    run, pictures = coloured
    result = nas("predict", pictures / "test", "--run", run.root, "--json", "--top-k", 3)
    assert result.exit_code == 0
    with np.load(run.retrain.predictions) as stored:
        expected, names = stored["probabilities"], list(stored["class_names"])
        labels = stored["labels"]
    answers = lines(result.stdout)
    assert [Path(answer["file"]).parent.name for answer in answers] == [names[n] for n in labels]
    found = np.zeros_like(expected)
    for row, answer in enumerate(answers):
        for each in answer["top"]:
            found[row, names.index(each["label"])] = each["probability"]
    assert np.abs(found - expected).max() < 1e-5


def test_a_model_of_grey_pictures_sees_the_luma_of_coloured_ones(
    digits: RunFolder, tmp_path: Path
) -> None:
    from sklearn.datasets import load_digits

    with np.load(digits.retrain.predictions) as stored:
        expected, labels = stored["probabilities"], stored["labels"]
    grey = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    for number, pixels in enumerate(grey):
        Image.fromarray(pixels).convert("RGB").save(tmp_path / f"{number:04}.png")
    result = nas("predict", tmp_path, "--run", digits.root, "--json", "--top-k", 10)
    assert "colours are turned into their luma" in result.stderr
    answers = [
        sorted((each["label"], each["probability"]) for each in answer["top"])
        for answer in lines(result.stdout)
    ]
    found = np.array([[share for _, share in answer] for answer in answers])
    distances = np.abs(expected[:, None] - found[None]).max(axis=2)  # (test pictures, all digits)
    assert distances.min(axis=1).max() < 1e-5
    nearest = load_digits().target[distances.argmin(axis=1)]
    assert (nearest == labels).mean() > 0.95  # some pictures say nearly the same


def test_the_table_names_file_label_probability_and_what_comes_next(
    coloured: tuple[RunFolder, Path],
) -> None:
    run, pictures = coloured
    path = pictures / "test" / "red" / "0.png"
    result = nas("predict", path, "--run", run.root)
    assert result.exit_code == 0
    head, row = (line for line in result.stdout.splitlines() if "─" not in line and "━" not in line)
    for word in ("file", "label", "probability", "then"):
        assert word in head
    (answer,) = lines(nas("predict", path, "--run", run.root, "--json").stdout)
    assert str(path) in row
    assert f"{answer['probability']:.4f}" in row
    assert f"{answer['top'][1]['label']} {answer['top'][1]['probability']:.3f}" in row


def test_only_the_first_of_many_tables_has_a_head(
    coloured: tuple[RunFolder, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, pictures = coloured
    monkeypatch.setattr("nas_cifar10.cli.model.ROWS_A_TABLE", 5)
    said = nas("predict", pictures / "test", "--run", run.root, "--top-k", 1).stdout
    assert said.count("probability") == 1
    assert said.count(str(pictures)) == 24


def test_a_file_is_taken_whatever_it_is_called_and_as_often_as_it_is_named(tmp_path: Path) -> None:
    noise().save(tmp_path / ".odd", format="PNG")
    files, passed = picture_files([tmp_path / ".odd"] * 2)
    assert (files, passed) == ([tmp_path / ".odd"] * 2, 0)
    found = list(predict(made_model(), files, 2))
    assert found[0].top == found[1].top
    assert len(found[0].top) == 2


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_the_size_of_a_batch_changes_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    mixed(tmp_path, 30)
    (tmp_path / "0" / "bad.png").touch()
    files, _ = picture_files([tmp_path])
    model = made_model()
    expected = list(predict(model, files, 4))
    monkeypatch.setattr("nas_cifar10.predict.MAX_BATCH", batch)
    for one, other in zip(expected, predict(model, files, 4), strict=True):
        assert (one.path, one.reason) == (other.path, other.reason)
        assert [name for name, _ in one.top] == [name for name, _ in other.top]
        for (_, share), (_, again) in zip(one.top, other.top, strict=True):
            assert share == pytest.approx(again, abs=1e-6)


def test_what_is_missing_is_named(digits: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    noise().save(tmp_path / "a.png")
    run = ("--run", digits.root)
    assert "gone\\n.png: no such file" in refused(66, "predict", tmp_path / "gone\n.png", *run)
    assert "holds no picture (bmp gif" in refused(66, "predict", tmp_path / "empty", *run)
    assert "holds no run" in refused(66, "predict", tmp_path / "a.png", "--run", tmp_path)
    message = refused(2, "predict", tmp_path / "a.png", *run, "--top-k", 11)
    assert "--top-k: must be 1 to 10, the model's classes, got 11" in message
    refused(2, "predict", *run)


def test_a_run_without_a_model_says_what_makes_one(tmp_path: Path, digits: RunFolder) -> None:
    noise().save(tmp_path / "a.png")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "environment.json").write_bytes(digits.environment.read_bytes())
    message = refused(66, "predict", tmp_path / "a.png", "--run", tmp_path / "run")
    assert "nas retrain --run" in message


def test_fewer_than_one_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 0"):
        check_top(made_model(), 0)


@pytest.mark.slow
def test_memory_stays_flat(tmp_path: Path) -> None:
    noise(40, 40).save(tmp_path / "picture.png")
    (tmp_path / "many").mkdir()
    for number in range(10_000):
        os.link(tmp_path / "picture.png", tmp_path / "many" / f"{number}.png")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from made_trained import made_model\n"
        "from nas_cifar10.predict import predict\n"
        "files = sorted(Path(sys.argv[1]).iterdir())\n"
        "for number, answer in enumerate(predict(made_model(), files, 1), start=1):\n"
        "    if number in (2000, 10000):\n"
        "        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "many")],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    early, late = map(int, done.stdout.split())
    assert late - early < early * 0.03
