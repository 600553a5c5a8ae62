"""Values and tensors that torch.save wrote, read back; knows not what they mean.

Whoever sends a checkpoint or a model can write its checksum, too. So nothing a file names is
called but what our own files name, and no tensor has more numbers than the file holds for it.
"""

import io
import pickletools
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

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
        checked = _written_anew(content)
        found = torch.load(checked, map_location="cpu", weights_only=True)
        _check_sizes(list(_tensors(found)), len(content))
        return found
    except Exception as error:  # a damaged file makes its readers stumble in any way there is
        if isinstance(error, MemoryError | RuntimeError) and is_out_of_memory(error):
            raise UnreadableError(f"{name}: does not fit into memory") from None
        reason = next(iter(str(error).splitlines()), "")[:200]
        raise BadDataError(f"{name}: damaged: {reason or type(error).__name__}") from None


def _written_anew(content: bytes) -> io.BytesIO:
    """Return an archive of just the members that were checked: torch's reader could find others."""
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as anew:
        members = archive.infolist()
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("it unpacks to more than it has")
        if len({member.filename.lower() for member in members}) < len(members):
            raise ValueError("it has two members of one name")
        for member in members:
            kept = archive.read(member)
            if member.filename.lower().endswith(".pkl"):
                _check_names(kept)
            anew.writestr(member.filename, kept)
    copy.seek(0)
    return copy


def _check_names(pickled: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL" and argument not in _NAMES | _STORAGES:
            raise ValueError(f"it names {argument!r:.80}, which is not allowed")


def _tensors(found: Any) -> Iterator[Tensor]:
    """Yield every tensor once, however often and deep it is held."""
    waiting, seen = [found], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


def _check_sizes(tensors: Sequence[Tensor], limit: int) -> None:
    """Refuse what repeats numbers: whoever walks over its memory would leave it."""
    if sum(tensor.nbytes for tensor in tensors) > limit:
        raise ValueError("it unpacks to more than it has")
    for tensor in tensors:
        if tensor.storage_offset() or tensor.untyped_storage().nbytes() != tensor.nbytes:
            raise ValueError("it holds a tensor that is not as large as what is stored of it")
