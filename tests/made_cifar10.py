"""A made-up CIFAR-10 of 20 pictures a batch, for tests to pack, spoil and read.

torchvision's MD5 sums are replaced by those of what was made up, since nothing behind that check
could be reached otherwise.
"""

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data import cifar10
from nas_cifar10.data.pictures import Pictures

ROWS = 20
FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
META = "batches.meta"
NAMES = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Made:
    """What an archive is made of; tests spoil a part of it before it is packed."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.entries: dict[str, Any] = {META: {"label_names": NAMES}}
        for name in BATCHES:
            data = generator.integers(0, 256, (ROWS, 3072), np.uint8)
            self.entries[name] = {"data": data, "labels": [row % 10 for row in range(ROWS)]}
        self.raw: dict[str, bytes] = {}
        self.members: list[tuple[tarfile.TarInfo, bytes]] = []
        self.sums_differ = False

    def files(self) -> dict[str, bytes]:
        return {name: pickle.dumps(entry) for name, entry in self.entries.items()} | self.raw

    def packed(self) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
            folder = tarfile.TarInfo(FOLDER)
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            for name, content in {**self.files(), "readme.html": b"hello"}.items():
                add(tar, f"{FOLDER}/{name}", content)
            for member, content in self.members:
                tar.addfile(member, io.BytesIO(content))
        return packed.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def trust(monkeypatch: pytest.MonkeyPatch, made: Made, packed: bytes = b"") -> None:
    """Make torchvision's sums those of a made-up archive, and its address one that refuses."""
    sums = {name: md5(content) for name, content in made.files().items()}
    if made.sums_differ:
        sums = dict.fromkeys(sums, md5(b"another"))
    pairs = [[name, sums.get(name, md5(b"absent"))] for name in BATCHES]
    monkeypatch.setattr(cifar10, "ROWS_A_BATCH", ROWS)
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/refused")
    monkeypatch.setattr(CIFAR10, "train_list", pairs[:5])
    monkeypatch.setattr(CIFAR10, "test_list", pairs[5:])
    meta = {"filename": META, "key": "label_names", "md5": sums.get(META, md5(b"absent"))}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(packed))


def place(made: Made, root: Path) -> Path:
    """Write the files as a folder that is already unpacked."""
    folder = root / FOLDER
    folder.mkdir()
    for name, content in made.files().items():
        (folder / name).write_bytes(content)
    return folder


def read(root: Path, **values: object) -> Pictures:
    values = {"source": "cifar10", "root": str(root), **values}
    return cifar10.load(DataConfig.model_validate(values))


def same(first: Pictures, second: Pictures) -> bool:
    return bool((first.images == second.images).all() and (first.labels == second.labels).all())
