"""Pictures and configs that lie, unfold, or would run something, for tests to feed."""

import struct
import zlib
from collections.abc import Callable, Iterator

from made_hostile import noise, torch_zip


def png(width: int, height: int, data: bytes = b"x", **chunks: bytes) -> bytes:
    """Return a PNG that promises so many pixels."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    parts += [(name.encode(), body) for name, body in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in [*parts, (b"IDAT", data), (b"IEND", b"")]
    )


def _tiff(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + struct.pack("<I", following)
    )


# An EXIF directory with nothing but an orientation: turned by a quarter.
TURNED = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


def bombs() -> dict[str, Callable[[], bytes]]:
    """Return small pictures that unpack to much, by file name."""

    def zeros() -> bytes:
        return zlib.compress(bytes(2**26), 9)

    def blank(side: int) -> bytes:
        return zlib.compress(bytes((3 * side + 1) * side), 9)

    return {
        "text.png": lambda: png(6, 6, zTXt=b"a\0\0" + zeros()),
        "profile.png": lambda: png(6, 6, iCCP=b"a\0\0" + zeros()),
        "pixels.png": lambda: png(6, 6, zeros()),
        "turned.png": lambda: png(6780, 6780, blank(6780), eXIf=TURNED),
        "clear.png": lambda: png(4790, 4790, blank(4790), tRNS=bytes(6)),
    }


def pictures() -> dict[str, bytes]:
    """Return pictures that lie, by file name."""
    size = [(256, 4, 1, 60_000), (257, 4, 1, 60_000), (262, 3, 1, 1)]
    small = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1)]
    riff = b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10)
    return {
        "wide.png": png(46_000_000, 1),
        "tall.png": png(1, 46_000_000),
        "long.png": png(46, 1_000_000),
        "none.png": png(0, 0),
        "largest.png": png(2**31 - 1, 2**31 - 1),
        "too little.png": png(5000, 5000, zlib.compress(bytes(9))),
        "screen.gif": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;",
        "frame.gif": b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
        "endless.gif": b"GIF89a\x01\0\x01\0\0\0\0" + b"!\xfe\xffa" * 5000,
        "codes.gif": b"GIF89a\x06\0\x06\0\0\0\0,\0\0\0\0\x06\0\x06\0\0\x0b\x02\xff\xff\0;",
        "large.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 60_000, 60_000, 1, 24,
                                         0, 0, 0, 0, 0, 0),
        "upside down.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 6, -(2**31), 1,
                                               24, 0, 0, 0, 0, 0, 0),
        "runs.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 9000, 9000, 1, 8, 1, 0,
                                        0, 0, 256, 0) + b"\xff\0" * 500,
        "large.tif": _tiff(size),
        "circle.tif": _tiff(small, following=8),
        "far strips.tif": _tiff([*small, (273, 4, 1, 2**31), (279, 4, 1, 2**31)]),
        "many strips.tif": _tiff([*small, (273, 4, 2**28, 8), (279, 4, 2**28, 8)]),
        "depth.tif": _tiff([*small[:2], (258, 3, 2**20, 8), (277, 3, 1, 60_000)]),
        "jpeg.tif": _tiff([*small, (259, 3, 1, 7), (273, 4, 1, 8), (279, 4, 1, 60)]),
        "runs.tif": _tiff([*small, (259, 3, 1, 5), (273, 4, 1, 8), (279, 4, 1, 60)]),
        "large.ppm": b"P6 99999 99999 255\n" + bytes(99),
        "words.ppm": b"P6 six six 255\n" + bytes(99),
        "minus.ppm": b"P6 -6 -6 255\n" + bytes(99),
        "digits.ppm": b"P6 " + b"9" * 5000 + b" 6 255\n",
        "remark.ppm": b"P6 #" + b"a" * 2**20,
        "depth.ppm": b"P6 6 6 99999\n" + bytes(999),
        "no depth.ppm": b"P5 6 6 0\n" + bytes(99),
        "canvas.webp": riff + b"\0\0\0\0\xff\xff\xff\xff\xff\xff",
        "short.webp": b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\x7f" + bytes(20),
        "empty.webp": b"RIFF\0\0\0\0WEBP",
        "large.jpg": b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x11\0\x02\x11\0\x03",
        "segment.jpg": b"\xff\xd8\xff\xe1\xff\xff" + b"Exif\0\0" + noise(99),
        "script.jpg": b"\xff\xd8\xff\xfe\0\x30<?php system('touch canary'); ?>" + noise(50),
        "page.png": b"<html><script>alert(1)</script></html>",
        "program.png": b"#!/bin/sh\ntouch canary\n",
        "postscript.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(canary) (w) file\n",
        "vector.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>',
        "icon.png": b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0\xff\xff\xff\x7f\x16\0\0\0",
        "paint.png": b"8BPS\0\1" + bytes(6) + b"\0\3" + b"\xff" * 8 + b"\0\x08\0\3",
        "archive.png": torch_zip(b"N."),
    } | _after_magic()  # fmt: skip


def _after_magic() -> dict[str, bytes]:
    magic = {
        "png": b"\x89PNG\r\n\x1a\n",
        "jpg": b"\xff\xd8\xff\xe0",
        "gif": b"GIF89a",
        "bmp": b"BM",
        "tif": b"II*\0",
        "webp": b"RIFF\x64\0\0\0WEBP",
        "ppm": b"P6 6 6 255\n",
    }
    return {
        f"noise {seed}.{suffix}": start + noise(400, seed)
        for suffix, start in magic.items()
        for seed in range(3)
    }


def configs() -> Iterator[str]:
    """Yield YAML that would run something, unfold, or never end."""
    good = "name: x\ndata: {source: digits}\nspace: {}\n"
    for tag in (
        "!!python/object/apply:os.system ['touch canary']",
        "!!python/object/new:os.system ['touch canary']",
        "!!python/object:os.system {}",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object/apply:subprocess.call [[touch, canary]]",
        '!!python/object/apply:builtins.exec [\'open("canary", "w")\']',
        "!!python/tuple [1, 2]",
        "!!binary aGVsbG8=",
        "!!set {a, b}",
        "!!timestamp 2001-12-14",
        "!include /etc/passwd",
        "!ENV ${HOME}",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch canary']",
        "&a [*a, *a]",
        "*unknown",
        "[" * 50_000,
        "{a: " * 20_000,
        "? " * 20_000,
        "- " * 20_000,
        "9" * 90_000,
        "1e" + "9" * 500,
        "-.inf",
        "0x7fffffffffffffffffff",
        '"\\U0010FFFF\\ud800"',
        '"\\x1b]0;title\\x07"',
        "'" + "a" * 90_000,
        "|\n " + "a" * 90_000,
        "%YAML 9.9\n---\n",
        "\x00",
        "\x1b[31m",
        "\u202eabc: 1",
        "<<: {name: y}\n<<: {name: z}",
        "=: 1",
        "3: 4",
        "null: 1",
    ):
        yield f"{good}seed: {tag}\n"
        if len(tag) < 100:
            yield f"{tag}\n"
    yield "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    yield good + "".join(f"key{number}: 1\n" for number in range(6000))
    yield "---\n" * 5000
    yield "#" * 100_001
