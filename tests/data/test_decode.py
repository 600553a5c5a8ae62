"""One picture file: the rule by which it becomes pixels, and what is refused in which words."""

import errno
import os
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from made_pictures import cats_and_dogs, first, noise, oracle, read, save
from nas_cifar10.data import decode, image_folder
from nas_cifar10.errors import BadDataError, StorageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return cats_and_dogs(tmp_path)


@pytest.mark.parametrize(
    "suffix", ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff", "ppm", "PNG", "Jpg"]
)
def test_every_suffix_is_read_in_any_case(root: Path, suffix: str) -> None:
    path = save(root / "train" / "cat" / f"0.{suffix}")
    assert len(read(root).labels) == 5
    assert np.array_equal(first(root), oracle(path, 6))


def test_the_format_is_told_by_the_contents(root: Path) -> None:
    save(root / "train" / "cat" / "0.jpg", format="PNG")
    assert np.array_equal(first(root), np.asarray(noise()))


@pytest.mark.parametrize("size", [(6, 6), (9, 9), (7, 12), (13, 6), (3, 4), (1, 1)])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_decoding_equals_a_loop_over_pillow(root: Path, size: tuple[int, int], suffix: str) -> None:
    path = save(root / "train" / "cat" / f"0.{suffix}", noise(*size))
    assert np.array_equal(first(root), oracle(path, 6))


@pytest.mark.parametrize("orientation", range(9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_the_orientation_of_exif_is_applied(root: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(root / "train" / "cat" / f"0.{suffix}", noise(7, 12), exif=exif)
    assert np.array_equal(first(root), oracle(path, 6))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "LAB", "F"])
def test_every_mode_becomes_rgb(root: Path, mode: str) -> None:
    path = save(root / "train" / "cat" / "0.tiff", _in_mode(noise(), mode))
    with Image.open(path) as file:
        assert np.array_equal(first(root), np.asarray(file.convert("RGB")))


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":  # Pillow converts from it, and not to it
        return Image.frombytes("LAB", image.size, image.tobytes())
    between = {"F": "L", "PA": "P"}.get(mode, "RGB")
    return image.convert(between).convert(mode)


def test_transparency_is_laid_on_white(root: Path) -> None:
    path = save(root / "train" / "cat" / "0.png", noise(channels=4))
    assert np.allclose(first(root), oracle(path, 6), atol=1)
    clear = Image.new("RGBA", (6, 6), (9, 9, 9, 0))
    cases: list[tuple[Image.Image, dict[str, Any]]] = [
        (clear, {}),
        (clear.convert("LA"), {}),
        (Image.new("P", (6, 6)), {"transparency": 0}),
        (Image.new("L", (6, 6), 3), {"transparency": 3}),
        (Image.new("RGB", (6, 6), (1, 2, 3)), {"transparency": (1, 2, 3)}),
    ]
    for image, options in cases:
        save(path, image, **options)
        assert (first(root) == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tiff", "ppm"])
def test_sixteen_bit_grey_is_scaled_to_eight(root: Path, suffix: str) -> None:
    grey = np.array([0, 1, 128, 129, 255, 256, 32_767, 65_406, 65_407, 65_535], np.uint16)
    grey = np.resize(grey, (6, 6))
    save(root / "train" / "cat" / f"0.{suffix}", Image.fromarray(grey))
    expected = np.rint(grey.astype(float) / 257)
    assert np.array_equal(first(root), np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_the_first_frame_of_an_animation_is_taken(root: Path, suffix: str) -> None:
    red, blue = (Image.new("RGB", (6, 6), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if suffix == "webp" else {}
    path = root / "train" / "cat" / f"0.{suffix}"
    save(path, red, save_all=True, append_images=[blue], **options)
    assert (first(root) == (255, 0, 0)).all()


def _png_of(width: int, height: int) -> bytes:
    """A header that promises so many pixels, and a little data."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b"x")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _cut(path: Path, **options: Any) -> None:
    content = save(path, noise(40, 40), **options).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _loop(path: Path) -> None:
    path.symlink_to(path)


EXIF = b"Exif\0\0"
BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "zero.png": (lambda p: p.write_bytes(b""), "is empty"),
    "text.png": (lambda p: p.write_text("no picture"), "is no picture in a known format"),
    "page.jpg": (lambda p: p.write_text("<html>404</html>"), "is no picture in a known format"),
    "vector.png": (lambda p: p.write_text("%!PS-Adobe-3.0 EPSF\n"), "is no picture in a known"),
    "cut.png": (_cut, "truncated"),
    "cut.jpg": (_cut, "truncated"),
    "cut.bmp": (_cut, "truncated"),
    "cut.ppm": (_cut, "truncated"),
    "cut.webp": (_cut, ""),
    "cut.tif": (_cut, ""),
    "header.png": (lambda p: p.write_bytes(_png_of(6, 6)[:20]), ""),
    "bomb.png": (lambda p: p.write_bytes(_png_of(10_000, 9_000)), "more than 46,000,000 pixels"),
    "bigger.png": (lambda p: p.write_bytes(_png_of(60_000, 60_000)), "more than 46,000,000"),
    "tall.png": (lambda p: p.write_bytes(_png_of(1, 40_000_000)), "side of more than 1,000,000"),
    "pipe.png": (os.mkfifo, "is no regular file"),
    "gone.png": (lambda p: p.symlink_to("nowhere"), "No such file or directory"),
    "loop.png": (_loop, "Too many levels of symbolic links"),
    "device.png": (lambda p: p.symlink_to("/dev/zero"), "is no regular file"),
    "exif.jpg": (lambda p: save(p, exif=EXIF + b"garbage"), "has broken EXIF data"),
    "torn.jpg": (lambda p: save(p, exif=EXIF + b"II*\0\x08\0\0\0\x05\0"), "EXIF"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_picture_is_named_with_a_reason_or_left_out_and_counted(
    root: Path, name: str
) -> None:
    spoil, reason = BAD_FILES[name]
    path = root / "train" / "cat" / name
    spoil(path)
    with pytest.raises(BadDataError) as caught:
        read(root)
    line, last = str(caught.value).split("\n")
    assert line.startswith(f"{path}: ")
    assert reason in line
    assert len(line) > len(f"{path}: ")
    assert last == (
        "1 of 5 pictures cannot be read; mend or remove them, or leave them out with "
        "--set data.on_bad_image=skip"
    )
    pictures = read(root, on_bad_image="skip")
    assert pictures.bad == (line,)
    assert pictures.labels.tolist() == [0, 0, 1, 1]
    assert pictures.num_pool == 4


def test_webp_is_refused_at_a_third_of_the_pixels(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(root / "train" / "cat" / "3.webp")
    monkeypatch.setattr(decode, "MAX_PIXELS", 107)
    assert [line.rpartition("/")[2] for line in read(root, on_bad_image="skip").bad] == [
        "3.webp: has more than 35 pixels"
    ]


def test_a_transparent_picture_is_refused_at_half_the_pixels(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(root / "train" / "cat" / "3.png", noise(channels=4))
    monkeypatch.setattr(decode, "MAX_PIXELS", 71)
    assert [line.rpartition("/")[2] for line in read(root, on_bad_image="skip").bad] == [
        "3.png: has more than 35 pixels"
    ]


def test_large_pictures_are_decoded_one_at_a_time_and_alike(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read(root)
    monkeypatch.setattr(image_folder, "_num_threads", lambda paths: 4)
    monkeypatch.setattr(image_folder, "CHUNK", 1)
    load, at_once, most, lock = decode._load, [0], [0], threading.Lock()
    two, patience = threading.Event(), [60.0]

    def counted(image: Any) -> None:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            if at_once[0] > 1:
                two.set()
        two.wait(patience[0])
        load(image)
        with lock:
            at_once[0] -= 1

    monkeypatch.setattr(decode, "_load", counted)
    assert torch.equal(read(root).images, expected.images)
    assert most[0] > 1, "or else this test shows nothing"
    most[0] = 0
    two.clear()
    patience[0] = 0.05
    monkeypatch.setattr(decode, "_LARGE_PIXELS", 1)
    assert torch.equal(read(root).images, expected.images)
    assert most[0] == 1


def test_libtiff_does_not_print_past_python(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = save(root / "train" / "cat" / "0.tif", noise(40, 40), compression="tiff_lzw")
    path.write_bytes(path.read_bytes()[:900] + bytes(4000))
    assert len(read(root, on_bad_image="skip").bad) == 1
    os.write(2, b"still open")
    assert capfd.readouterr() == ("", "still open")


def test_remarks_on_metadata_neither_raise_nor_print(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # An EXIF entry that points beyond the end: Pillow warns and skips it.
    entry = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x010F, 2, 500, 90) + bytes(4)
    save(root / "train" / "cat" / "0.jpg", exif=EXIF + entry)
    assert len(read(root).labels) == 5
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("on_bad_image", ["error", "skip"])
def test_a_disk_that_fails_leaves_no_picture_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, on_bad_image: str
) -> None:
    """Without it the study would be of other pictures, and never be retrained on all of them."""

    save(root / "train" / "cat" / "0.jpg", exif=EXIF)
    failed = OSError(errno.EIO, "Input/output error")
    where: tuple[tuple[object, str, Exception, str], ...] = (
        (decode, "_load", failed, "Input/output error"),
        (Image.Exif, "load", failed, "Input/output error"),
        (decode, "_load", MemoryError(), "does not fit into memory"),
    )
    for owner, name, error, said in where:
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, Mock(side_effect=error))
            with pytest.raises(StorageError, match=rf"cat/\d\.\w+: cannot be read now: {said}"):
                read(root, on_bad_image=on_bad_image)
