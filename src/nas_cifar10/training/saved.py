"""Values and tensors that torch.save wrote, read back; knows not what they mean.

Whoever sends a checkpoint or a model can write its checksum, too. So nothing a file names is
called but what our own files name, and nothing unpacks to more than the file has.
"""

import io
import pickletools
import zipfile
from typing import Any

import torch

from nas_cifar10.errors import BadDataError, UnreadableError
from nas_cifar10.training.precision import is_out_of_memory

# `weights_only` allows a few more, such as bytearray, which takes any number for a size.
_NAMES = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2"}
_STORAGES = {f"torch {kind}Storage" for kind in ("Float", "Double", "BFloat16", "Half", "Long")}
_STORAGES |= {f"torch {kind}Storage" for kind in ("Int", "Short", "Char", "Byte", "Bool")}


def load_saved(content: bytes, name: str) -> Any:
    """Return what torch.save wrote, with its tensors on the CPU.

    Args:
        name: What to call it in an error.

    Raises:
        BadDataError: it is damaged, or holds something else than plain values and tensors.
        UnreadableError: there is not enough memory for it now.
    """
    try:
        _check(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes its readers stumble in any way there is
        if isinstance(error, MemoryError | RuntimeError) and is_out_of_memory(error):
            raise UnreadableError(f"{name}: does not fit into memory") from None
        reason = next(iter(str(error).splitlines()), "")[:200]
        raise BadDataError(f"{name}: damaged: {reason or type(error).__name__}") from None


def _check(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > len(content):
            raise ValueError("it unpacks to more than it has")
        for member in archive.infolist():
            if member.filename.endswith(".pkl"):
                _check_names(archive.read(member))


def _check_names(pickled: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL" and argument not in _NAMES | _STORAGES:
            raise ValueError(f"it names {argument!r:.80}, which is not allowed")
