"""Folders of pictures: which files are read, and which folders are refused in which words."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from made_pictures import cats_and_dogs, first, noise, read, save
from nas_cifar10.data import image_folder
from nas_cifar10.errors import BadDataError, MissingInputError, NasError

CIFAR = Path(__file__).parents[2] / "data" / "cifar"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return cats_and_dogs(tmp_path)


def test_rows_go_by_part_class_and_path(root: Path) -> None:
    for name in ("dog/9.png", "cat/5.png"):
        save(root / "test" / name)
    pictures = read(root)
    assert pictures.images.shape == (6, 3, 6, 6)
    assert pictures.images.dtype == torch.uint8
    assert pictures.images.is_contiguous()
    assert pictures.labels.tolist() == [0, 0, 1, 1, 0, 1]
    assert pictures.labels.dtype == torch.int64
    assert pictures.class_names == ("cat", "dog")
    assert (pictures.num_pool, pictures.bad, pictures.num_ignored) == (4, (), 0)
    for row in range(4):
        assert np.array_equal(pictures.images[row].permute(1, 2, 0), np.asarray(noise(seed=row)))


def test_without_a_test_folder_everything_is_in_the_pool(root: Path) -> None:
    assert read(root).num_pool == 4


def test_a_class_may_be_missing_in_test(root: Path) -> None:
    save(root / "test" / "dog" / "1.png")
    (root / "test" / "cat").mkdir()
    assert read(root).labels.tolist() == [0, 0, 1, 1, 1]


def test_hidden_files_and_files_of_other_kinds_are_passed_over_and_counted(root: Path) -> None:
    (root / "train" / "notes.txt").write_text("not read")
    (root / "train" / ".hidden").mkdir()
    (root / "train" / "cat" / "Thumbs.db").write_text("not read")
    (root / "train" / "cat" / ".1.png").write_text("not read")
    (root / "train" / "cat" / ".checkpoints").mkdir()
    (root / "train" / "cat" / ".checkpoints" / "1.png").write_text("not read")
    (root / "other").mkdir()
    pictures = read(root)
    assert len(pictures.labels) == 4
    assert pictures.num_ignored == 5


def test_folders_below_a_class_belong_to_it(root: Path) -> None:
    save(root / "train" / "cat" / "1" / "a" / "x.png", noise(seed=7))
    save(root / "train" / "cat" / "9.png")
    pictures = read(root)
    assert pictures.labels.tolist() == [0, 0, 0, 0, 1, 1]
    assert np.array_equal(first(root), np.asarray(noise(seed=7)))  # "1" sorts before "1.png"


def test_loops_of_links_end_and_no_folder_is_read_twice(root: Path) -> None:
    cat = root / "train" / "cat"
    (cat / "below").mkdir()
    for number in range(8):
        (cat / "below" / f"up{number}").symlink_to(cat)
        (cat / f"down{number}").symlink_to(cat / "below")
    (root / "train" / "dog" / "linked.png").symlink_to(cat / "1.png")
    assert read(root).labels.tolist() == [0, 0, 1, 1, 1]


def test_threads_change_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        save(root / "train" / "cat" / f"{number}.jpg", noise(8, 9, seed=number))
    expected = read(root)
    monkeypatch.setattr(image_folder, "CHUNK", 2)
    monkeypatch.setattr(image_folder, "_num_threads", lambda paths: 4)
    assert torch.equal(read(root).images, expected.images)


def test_large_files_are_decoded_in_several_threads(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    paths = [root / "train" / "cat" / "1.png", root / "no such file"]
    assert image_folder._num_threads(paths) == 1
    paths[0].write_bytes(bytes(9000))
    assert image_folder._num_threads(paths) == image_folder.MAX_THREADS


def test_the_reader_leaves_the_folder_as_it_was(root: Path) -> None:
    before = sorted(root.rglob("*"))
    read(root)
    assert sorted(root.rglob("*")) == before


def _no_root(root: Path) -> None:
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()


def _no_train(root: Path) -> None:
    (root / "train").rename(root / "training")


def _train_is_a_file(root: Path) -> None:
    _no_train(root)
    (root / "train").write_text("")


def _no_classes(root: Path) -> None:
    _no_train(root)
    (root / "train").mkdir()
    save(root / "train" / "1.png")


def _one_class(root: Path) -> None:
    (root / "train" / "dog").rename(root / "train" / ".dog")


def _empty_class(root: Path) -> None:
    (root / "train" / "emu").mkdir()


def _class_without_pictures(root: Path) -> None:
    _empty_class(root)
    for name in (".1.png", "1.txt", "png"):
        (root / "train" / "emu" / name).write_text("")


def _unknown_test_class(root: Path) -> None:
    save(root / "test" / "emu" / "1.png")


def _empty_test(root: Path) -> None:
    (root / "test" / "cat").mkdir(parents=True)


def _flat_test(root: Path) -> None:
    save(root / "test" / "1.png")


def _control_character(root: Path) -> None:
    save(root / "train" / "e\nmu" / "1.png")


def _long_name(root: Path) -> None:
    save(root / "train" / ("e" * 201) / "1.png")


def _no_text(root: Path) -> None:
    save(root / "train" / os.fsdecode(b"e\xffmu") / "1.png")


def _link_to_nothing(root: Path) -> None:
    (root / "train" / "emu").symlink_to(root / "not mounted")


def _test_is_a_link_to_nothing(root: Path) -> None:
    (root / "test").symlink_to(root / "not mounted")


def _test_is_a_file(root: Path) -> None:
    (root / "test").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (_no_root, MissingInputError, "{root}: no such folder; expected train/<class>/*"),
        (_no_train, MissingInputError, "{root}/train: no such folder; expected train/<class>/*"),
        (_train_is_a_file, MissingInputError, "{root}/train: no such folder"),
        (_no_classes, BadDataError, "{root}/train: must hold a folder for each class"),
        (_one_class, BadDataError, "{root}/train: must hold at least two classes, got only 'cat'"),
        (_empty_class, BadDataError, "{root}/train/emu: a class must hold a picture"),
        (_class_without_pictures, BadDataError, "{root}/train/emu: a class must hold a picture"),
        (_link_to_nothing, BadDataError, "{root}/train/emu: is a link to nothing; mend it"),
        (_test_is_a_link_to_nothing, BadDataError, "{root}/test: cannot be read: No such file"),
        (_test_is_a_file, BadDataError, "{root}/test: cannot be read: Not a directory; mend"),
        (_unknown_test_class, BadDataError, "{root}/test/emu: every test class must be one of"),
        (_empty_test, BadDataError, "{root}/test: must hold a picture that can be read; remove"),
        (_flat_test, BadDataError, "{root}/test: must hold folders of train's classes; expected"),
        (_control_character, BadDataError, "{root}/train/e\\nmu: a class name must be text of"),
        (_long_name, BadDataError, "at most 200 characters without control characters"),
        (_no_text, BadDataError, "{root}/train/e\\udcffmu: a class name must be text"),
    ],
)
def test_bad_folders_are_refused_in_one_line_that_names_them(
    root: Path, spoil: Callable[[Path], None], error: type[NasError], words: str
) -> None:
    spoil(root)
    before = sorted(root.rglob("*"))
    with pytest.raises(error) as caught:
        read(root)
    assert words.format(root=root) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(root.rglob("*")) == before


def test_a_folder_that_cannot_be_listed_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(folder: Path) -> None:  # the tests may run as root, whom no mode bits stop
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(BadDataError, match=f"^{root}/train: cannot be read: Permission denied; "):
        read(root)


def test_a_class_name_of_200_characters_of_any_script_is_fine(root: Path) -> None:
    (root / "train" / "dog").rename(root / "train" / "狗 <b>&$ é")
    (root / "train" / "cat").rename(root / "train" / ("c" * 200))
    assert read(root).class_names == ("c" * 200, "狗 <b>&$ é")


def test_every_bad_picture_has_a_line_and_the_order_is_that_of_the_rows(root: Path) -> None:
    paths = [root / "train" / "cat" / "0.png", root / "train" / "dog" / "3.png"]
    paths.append(root / "test" / "cat" / ("x" * 200 + " \t.png"))
    save(root / "test" / "cat" / "1.png")
    for path in paths:
        path.write_bytes(b"")
    with pytest.raises(BadDataError) as caught:
        read(root)
    *lines, last = str(caught.value).split("\n")
    assert lines == [f"{path}: is empty".replace("\t", "\\t") for path in paths]
    assert last.startswith("3 of 8 pictures")
    pictures = read(root, on_bad_image="skip")
    assert pictures.bad == tuple(lines)
    assert pictures.labels.tolist() == [0, 0, 1, 1, 0]
    assert pictures.num_pool == 4
    assert np.array_equal(pictures.images[2].permute(1, 2, 0), np.asarray(noise(seed=2)))


@pytest.mark.parametrize("folder", ["train/cat", "test"])
def test_a_class_and_a_test_set_must_not_be_emptied_by_leaving_pictures_out(
    root: Path, folder: str
) -> None:
    save(root / "test" / "cat" / "1.png")
    for path in (root / folder).rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(BadDataError, match=f"{root / folder}: .*must hold a picture that can be r"):
        read(root, on_bad_image="skip")


@pytest.mark.cifar
@pytest.mark.skipif(not CIFAR.is_dir(), reason="the CIFAR-10 pictures are not under data/cifar")
def test_cifar10_as_jpegs_equals_a_loop_over_pillow(tmp_path: Path) -> None:
    (tmp_path / "train").symlink_to(CIFAR / "test")  # the smaller part: 10,000 pictures
    pictures = read(tmp_path, image_size=32)
    assert pictures.images.shape == (10_000, 3, 32, 32)
    assert pictures.labels.bincount().tolist() == [1000] * 10
    assert pictures.class_names[:3] == ("airplane", "automobile", "bird")
    paths = sorted((CIFAR / "test").glob("*/*"))
    for row in range(0, 10_000, 97):
        with Image.open(paths[row]) as file:
            assert np.array_equal(pictures.images[row].permute(1, 2, 0), np.asarray(file))


def test_a_link_to_nothing_within_a_class_is_a_picture_that_cannot_be_read(root: Path) -> None:
    (root / "train" / "cat" / "more").symlink_to(root / "off")
    with pytest.raises(BadDataError, match="cat/more: No such file"):
        read(root)
    assert len(read(root, on_bad_image="skip").bad) == 1


def test_a_home_is_where_the_user_is_at_home(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    assert torch.equal(read(Path("~") / root.name).images, read(root).images)
    with pytest.raises(MissingInputError, match="~nobody-of-this-name/x: no such folder"):
        read(Path("~nobody-of-this-name/x"))
