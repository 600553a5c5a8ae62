"""Hostile files for tests: whatever would run a command, fill the memory, or lie about itself.

Each is made by a function of its path, where a genuine file may stand, and of a canary: a file
that only exists once something in a hostile file was run.
"""

import builtins
import functools
import gzip
import hashlib
import io
import os
import pickle
import random
import sqlite3
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

Spoil: TypeAlias = Callable[[Path, Path], object]
Bytes: TypeAlias = Callable[[Path], bytes]  # from the canary to the content


class _Call:
    """What runs a function where it is unpickled by an unpickler that allows it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def _calls(canary: Path) -> dict[str, _Call]:
    touch = f"open({str(canary)!r}, 'w')"
    return {
        "os.system": _Call(os.system, f"touch '{canary}'"),
        "exec": _Call(builtins.exec, touch),
        "eval": _Call(builtins.eval, touch),
        "open": _Call(builtins.open, str(canary), "w"),
        "subprocess": _Call(subprocess.call, ["touch", str(canary)]),
        "pathlib": _Call(Path.touch, canary),
        "nested": _Call(pickle.loads, pickle.dumps(_Call(os.system, f"touch '{canary}'"))),
        "array": _Call(np.ndarray.tofile, np.zeros(3), str(canary)),
    }


def _by_hand(canary: Path) -> dict[str, bytes]:
    command = f"touch '{canary}'".encode()
    line = b"S" + repr(command.decode()).encode() + b"\n"
    return {
        "INST": b"(" + line + b"ios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + line + b"o.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93(" + line + b"tR.",
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93(" + line + b"tR.",
        "BUILD": b"cos\nsystem\n}S'__setstate__'\n" + line + b"sb.",
        "memo": b"\x80\x02}r\xff\xff\xff\x3f.",
        "bytearray": b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x02\x85R.",
        "long bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
        "long integer": b"\x80\x02\x8b\xff\xff\xff\x7fx.",
        "deep": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "laughs": _laughs(),
        "nothing": b".",
        "only None": b"N.",
        "persistent": b"\x80\x02X\x01\x00\x00\x00aQ.",
    }


def _laughs() -> bytes:
    """Return a list of lists of lists ..., each holding the one before twice."""
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    return pickle.dumps({"labels": [value] * 20, "epochs": value, "belongs_to": value}, 2)


def payloads() -> dict[str, Bytes]:
    """Return pickles that would do something, by name."""

    def called(name: str, protocol: int, canary: Path) -> bytes:
        return pickle.dumps(_calls(canary)[name], protocol)

    def written(name: str, canary: Path) -> bytes:
        return _by_hand(canary)[name]

    nowhere = Path("nowhere")
    found: dict[str, Bytes] = {
        f"{name} {protocol}": functools.partial(called, name, protocol)
        for name in _calls(nowhere)
        for protocol in (0, 2, 4)
    }
    return found | {name: functools.partial(written, name) for name in _by_hand(nowhere)}


def sealed(content: bytes) -> bytes:
    """Return a checkpoint with this content and the checksum that belongs to it."""
    return hashlib.sha256(content).digest() + content


def torch_zip(pickled: bytes, compression: int = zipfile.ZIP_STORED, data: bytes = b"") -> bytes:
    """Return a file as torch.save packs it, with this pickle in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", data)
        archive.writestr("archive/version", "3\n")
    return packed.getvalue()


def _storage(numel: int, sizes: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """Return the pickle of a tensor that claims so many numbers, as torch.save writes it."""

    def tuple_of(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in numbers) + b"t"

    number = b"\x8a\x08" + struct.pack("<q", numel)
    store = (
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + number + b"tQ"
    )
    arguments = store + b"K\0" + tuple_of(sizes) + tuple_of(strides) + b"\x89"
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + hooks + b"tR."


def _zeros() -> bytes:
    return bytes(300 * 2**20)


def models() -> dict[str, Bytes]:
    """Return what may stand where torch.save has written, by name."""

    def fixed(content: Callable[[], bytes]) -> Bytes:
        return lambda canary: content()

    found = {f"bare {name}": make for name, make in payloads().items()}
    for name, make in payloads().items():
        found[f"packed {name}"] = lambda canary, make=make: torch_zip(make(canary))  # type: ignore[misc]
    return found | {
        "unpacks to 300 MB": fixed(lambda: torch_zip(_zeros(), zipfile.ZIP_DEFLATED)),
        "weights of 300 MB": fixed(
            lambda: torch_zip(_storage(1, (1,), (1,)), zipfile.ZIP_DEFLATED, _zeros())
        ),
        "a tensor larger than its file": fixed(
            lambda: torch_zip(_storage(2**28, (2**28,), (1,)), data=bytes(16))
        ),
        "a tensor that repeats one number": fixed(
            lambda: torch_zip(_storage(4, (2**20, 2**20), (0, 0)), data=bytes(16))
        ),
        "a tensor that begins before its file": fixed(
            lambda: torch_zip(_storage(4, (4,), (-1,)), data=bytes(16))
        ),
        "a tensor of fewer than no numbers": fixed(
            lambda: torch_zip(_storage(-4, (4,), (1,)), data=bytes(16))
        ),
        "an empty archive": fixed(lambda: b"PK\x05\x06" + bytes(18)),
        "nothing": fixed(lambda: b""),
        "noise": fixed(lambda: noise(9000)),
    }


def noise(length: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(length)


def forged(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Return what changes a genuine checkpoint and writes the checksum that belongs to it."""

    def spoil(path: Path, canary: Path) -> None:
        state = torch.load(io.BytesIO(path.read_bytes()[32:]), weights_only=True)
        content = io.BytesIO()
        torch.save(change(state) or state, content)
        path.write_bytes(sealed(content.getvalue()))

    return spoil


def _first(weights: dict[str, Any]) -> str:
    return next(iter(weights))


FORGERIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda state: [1, 2],
    "no owner": lambda state: {k: v for k, v in state.items() if k != "belongs_to"},
    "another owner": lambda state: state | {"belongs_to": "somebody else"},
    "no epochs": lambda state: {k: v for k, v in state.items() if k != "epochs"},
    "epochs that are text": lambda state: state | {"epochs": "two"},
    "epochs out of order": lambda state: state | {"epochs": state["epochs"][::-1] * 2},
    "an epoch that is none": lambda state: state | {"epochs": [{"number": 1}]},
    "an epoch without a number": lambda state: (
        state
        | {"epochs": [e | {"train": e["train"] | {"loss": float("nan")}} for e in state["epochs"]]}
    ),
    "no network": lambda state: state | {"network": {}},
    "a network that is a list": lambda state: state | {"network": [1]},
    "a weight of another shape": lambda state: state["network"].update(
        {_first(state["network"]): torch.zeros(3)}
    ),
    "no optimizer": lambda state: state | {"optimizer": {}},
    "no moments of the right shape": lambda state: (
        [
            moments.update({"exp_avg": torch.zeros(2, 7)})
            for moments in state["optimizer"]["state"].values()
        ]
        and None
    ),
    "moments that repeat one number": lambda state: (
        [
            moments.update(exp_avg=torch.zeros(1).expand(moments["exp_avg"].shape))
            for moments in state["optimizer"]["state"].values()
        ]
        and None
    ),
    "moments that are not all there": lambda state: (
        [moments.pop("exp_avg_sq") for moments in state["optimizer"]["state"].values()] and None
    ),
    "a moment that is text": lambda state: (
        [moments.update(exp_avg="0") for moments in state["optimizer"]["state"].values()] and None
    ),
    "no moments, and a setting that is text": lambda state: (
        state["optimizer"].update(state={})
        or state["optimizer"]["param_groups"][0].update(betas="0.9")
    ),
    "a rate that is text": lambda state: (
        state["optimizer"]["param_groups"][0].update(initial_lr="0.1") and None
    ),
    "a rate that no number holds": lambda state: (
        state["optimizer"]["param_groups"][0].update(initial_lr=10**400) and None
    ),
    "a setting that is text": lambda state: (
        state["optimizer"]["param_groups"][0].update(betas="0.9") and None
    ),
    "an optimizer without settings": lambda state: (
        state["optimizer"]["param_groups"][0].pop("betas") and None
    ),
}


def by_bytes(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes a genuine file's bytes."""
    return lambda path, canary: path.write_bytes(change(path.read_bytes()))


def content_of(make: Bytes, seal: bool = False) -> Spoil:
    """Return what puts something else in a file's place."""
    return lambda path, canary: path.write_bytes(sealed(make(canary)) if seal else make(canary))


def _flipped(share: float, content: bytes) -> bytes:
    place = min(int(len(content) * share), len(content) - 1)
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


def flips(count: int) -> dict[str, Spoil]:
    """Return what flips a bit in each of so many regions."""
    return {
        f"a bit flipped in region {number} of {count}": by_bytes(
            functools.partial(_flipped, number / count)
        )
        for number in range(count)
    }


def _cut(share: float, content: bytes) -> bytes:
    return content[: int(len(content) * share)]


CUTS: dict[str, Spoil] = {
    f"cut at {share:.0%}": by_bytes(functools.partial(_cut, share))
    for share in (0.0, 0.01, 0.3, 0.6, 0.99)
}


def _replaced(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


PLACED: dict[str, Spoil] = {
    "a pipe": lambda path, canary: os.mkfifo(_replaced(path)),
    "a link to what never ends": lambda path, canary: _replaced(path).symlink_to("/dev/zero"),
    "a folder": lambda path, canary: _replaced(path).mkdir(),
}

JSON: dict[str, Spoil] = {
    name: content_of(lambda canary, text=text: text)  # type: ignore[misc]
    for name, text in {
        "empty": b"",
        "a list": b"[1, 2]",
        "text": b'"text"',
        "another key": b'{"a": 1}',
        "nested without end": b"[" * 200_000,
        "a key without end": b'{"' + b"a" * 2**20,
        "not a number": b'{"started_at": NaN, "test": Infinity}',
        "a number of 10,000 digits": b'{"a": ' + b"9" * 10_000 + b"}",
        "bytes that are no text": b"\xff\xfe\x00\xd8" * 50,
        "null": b"null",
        "65 MB": b" " * (65 * 2**20),
    }.items()
}


def arrays() -> dict[str, Spoil]:
    """Return what may stand in place of pictures.npz."""

    def npz(compression: int = zipfile.ZIP_STORED, /, **members: bytes) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", compression) as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)
        return packed.getvalue()

    def npy(shape: str, kind: str = "|u1", data: bytes = b"") -> bytes:
        header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data

    labels = npy("(2,)", "<i8", bytes(16))
    made: dict[str, Bytes] = {
        "more than memory": lambda c: npz(
            sample_images=npy(f"({2**44}, 8, 8, 1)"), sample_labels=labels
        ),
        "an unpacked 300 MB": lambda c: npz(
            zipfile.ZIP_DEFLATED,
            sample_images=npy(f"({2**22}, 8, 8, 1)", data=bytes(2**28)),
            sample_labels=labels,
        ),
        "a negative shape": lambda c: npz(sample_images=npy("(-1, 8, 8, 1)"), sample_labels=labels),
        "a header that computes": lambda c: npz(
            sample_images=npy(f"(open({str(c)!r}, 'w'), 2)"), sample_labels=labels
        ),
        "objects": lambda c: npz(
            sample_images=npy("(1,)", "|O", pickle.dumps(_calls(c)["os.system"])),
            sample_labels=labels,
        ),
        "no archive": lambda c: npy("(2, 8, 8, 1)", data=bytes(128)),
        "a bare pickle": lambda c: pickle.dumps(_calls(c)["os.system"]),
        "names that lead away": lambda c: npz(zipfile.ZIP_STORED, **{"../../escaped": labels}),
        "nothing": lambda c: b"",
        "noise": lambda c: noise(5000),
    }
    return {name: content_of(make) for name, make in made.items()}


MEMBER_NAMES = (
    "../escaped",
    "{outside}/escaped",  # an absolute one, where the test looks
    "cifar-10-batches-py/../../escaped",
    "cifar-10-batches-py/./data_batch_1",
    "cifar-10-batches-py/data_batch_1/",
    "C:\\escaped",
    "cifar-10-batches-py/\x1b[31m",
    "a" * 300,
)
MEMBER_KINDS = {
    "file": tarfile.REGTYPE,
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "device": tarfile.CHRTYPE,
    "pipe": tarfile.FIFOTYPE,
    "sparse file": tarfile.GNUTYPE_SPARSE,
}


def member(name: str, kind: bytes, target: Path) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.devmajor, found.devminor = kind, str(target), 1, 5
    return found


def archives() -> dict[str, Bytes]:
    """Return what may stand in place of CIFAR-10's archive and is none."""
    header = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    header.size = 2**33
    endless = header.tobuf(tarfile.GNU_FORMAT)
    long_name = tarfile.TarInfo("x")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 2**33
    extended = tarfile.TarInfo("x")
    extended.type, extended.size = tarfile.XHDTYPE, 2**33
    return {
        "300 MB of zeros": lambda canary: gzip.compress(_zeros(), 1),
        "a file without end": lambda canary: gzip.compress(endless + _zeros(), 1),
        "a name without end": lambda c: gzip.compress(
            long_name.tobuf(tarfile.GNU_FORMAT) + b"a" * (300 * 2**20), 1
        ),
        "a header without end": lambda c: gzip.compress(
            extended.tobuf(tarfile.GNU_FORMAT) + b"9" * (300 * 2**20), 1
        ),
        "an archive in an archive": lambda canary: gzip.compress(gzip.compress(noise(9000))),
        "no archive": lambda canary: noise(9000),
        "a zip": lambda canary: torch_zip(b"N."),
        "nothing": lambda canary: b"",
        "a packed nothing": lambda canary: gzip.compress(b""),
        "a pickle": lambda canary: pickle.dumps(_calls(canary)["os.system"]),
        "a packed pickle": lambda canary: gzip.compress(pickle.dumps(_calls(canary)["exec"])),
        "a broken header": lambda canary: gzip.compress(endless[:300] + bytes(4000)),
        "a broken checksum": lambda canary: gzip.compress(endless)[:-8] + bytes(8),
    }


def tampered(script: str, *values: object) -> Spoil:
    """Return what changes a genuine study with SQL."""

    def spoil(path: Path, canary: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            if values:
                connection.execute(script, values)
            else:
                connection.executescript(script)

    return spoil


def _wrong_attributes() -> dict[str, Spoil]:
    change = "UPDATE {}_user_attributes SET value_json = ? WHERE key = ?"
    wrong = ("null", "1", '"x"', "[]", "{}", "[[1]]", "{", "NaN", '{"state": "asleep"}')
    valid = {("parameters", "1"), ("macs", "1"), ("layers", "[]")}
    valid |= {("repeats", "null"), ("repeats", "1")}
    keys = ("candidate", "kind", "parameters", "macs", "layers", "repeats", "epochs", "outcome")
    found = {
        f"{key} {value}": tampered(change.format("trial"), value, key)
        for key in keys
        for value in wrong
        if (key, value) not in valid
    }
    for value in wrong[:-1]:
        found[f"facts {value}"] = tampered(change.format("study"), value, "nas_cifar10")
    return found


def _wrong_facts() -> dict[str, Spoil]:
    change = "UPDATE study_user_attributes SET value_json = {} WHERE key = 'nas_cifar10'"
    wrong: dict[str, str] = {
        "resolved.threads": "1000000000",
        "resolved.retrain_threads": "0",
        "resolved.precision": "'fp64'",
        "resolved.device": "'abacus'",
        "resolved.latency": "json('{}')",
        "data.shape": "json('[1, -8, 8]')",
        "data.shape[1]": "1",
        "data.totals": "json('{}')",
        "data.skipped": "json('null')",
        "data.class_names": "1",
        "data.fingerprint": "json('{}')",
        "config": "json('[]')",
        "config.name": "char(27) || '[31m'",
        "config.search.trials": "-1",
        "config.training.epochs": "json('null')",
    }
    return {
        key: tampered(change.format(f"json_set(value_json, '$.{key}', {value})"))
        for key, value in wrong.items()
    }


STUDIES: dict[str, Spoil] = (
    _wrong_attributes()
    | _wrong_facts()
    | {
        f"distribution {text}": tampered("UPDATE trial_params SET distribution_json = ?", text)
        for text in ("{}", "1", "null", "x", '{"name": "Evil", "attributes": {}}', "[" * 9000)
    }
    | {
        f"{name} {value}": tampered(f"UPDATE {table} SET {name} = {value}")
        for table, name, value in (
            ("trial_params", "param_value", "NULL"),
            ("trial_params", "param_value", "99"),
            ("trial_params", "param_value", "'x'"),
            ("trial_values", "value", "'x'"),
            ("trial_values", "value", "7"),
            ("trial_values", "value_type", "'INF_POS'"),
            ("trial_values", "value_type", "'ODD'"),
            ("trials", "number", "0"),
            ("trials", "number", "-1"),
            ("trials", "state", "'ASLEEP'"),
            ("trials", "datetime_start", "NULL"),
            ("trials", "datetime_start", "'today'"),
            ("study_directions", "direction", "'MINIMIZE'"),
            ("study_directions", "direction", "'SIDEWAYS'"),
        )
    }
    | {
        "no values drawn": tampered("DELETE FROM trial_params"),
        "two objectives": tampered(
            "INSERT INTO study_directions (direction, study_id, objective) "
            "SELECT 'MAXIMIZE', study_id, 1 FROM studies"
        ),
        "a table missing": tampered("DROP TABLE trial_params"),
        "a view that never ends": tampered(
            "ALTER TABLE studies RENAME TO kept; CREATE VIEW studies AS WITH RECURSIVE n(study_id, "
            "study_name) AS (SELECT 1, 'x' UNION ALL SELECT study_id + 1, 'y' FROM n) "
            "SELECT * FROM n"
        ),
        "a trigger": tampered(
            "CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM studies; END"
        ),
        "a column that computes": tampered(
            "ALTER TABLE studies ADD COLUMN more AS (hex(zeroblob(400000000)))"
        ),
        "a table that searches": tampered("CREATE VIRTUAL TABLE more USING fts5(words)"),
        "a value of 100 MB": tampered(
            "UPDATE study_user_attributes SET value_json = hex(zeroblob(50000000))"
        ),
    }
)
# Not damaged, but of another version of Optuna; how many there are decides what it says.
OTHER_VERSIONS: dict[str, Spoil] = {
    "two versions": tampered("INSERT INTO alembic_version VALUES ('v9')"),
    "a later version": tampered("UPDATE alembic_version SET version_num = 'v9'"),
    "a later schema": tampered("UPDATE version_info SET schema_version = 99"),
}


def another_tools(path: Path, canary: Path) -> None:
    """Put a database there that has tables of the same names."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript("CREATE TABLE studies (id); CREATE TABLE trials (id)")
