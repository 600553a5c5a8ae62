"""What torch.save wrote comes back; anything else is damaged, and nothing in it runs."""

import io
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from made_hostile import models
from nas_cifar10.errors import BadDataError, UnreadableError
from nas_cifar10.training.saved import load_saved


def saved(values: Any) -> bytes:
    content = io.BytesIO()
    torch.save(values, content)
    return content.getvalue()


@pytest.mark.parametrize(
    "kind", [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32,
             torch.int16, torch.int8, torch.uint8, torch.bool],
)  # fmt: skip
def test_tensors_of_every_kind_come_back(kind: torch.dtype) -> None:
    tensor = torch.arange(24).reshape(2, 3, 4).to(kind)
    found = load_saved(saved({"a": tensor, "b": tensor.clone().transpose(1, 2)}), "it")
    assert torch.equal(found["a"], tensor)
    assert torch.equal(found["b"], tensor.transpose(1, 2))


def test_plain_values_and_a_networks_state_come_back() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(network.parameters())
    torch.autograd.backward(network(torch.ones(2, 1, 4, 4)).sum())
    optimizer.step()
    values = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "plain": [1, -2.5, "é", None, True, (1, 2), {"a": []}, 2**70],
    }
    found = load_saved(saved(values), "it")
    assert found["plain"] == values["plain"]
    assert isinstance(found["network"], OrderedDict)
    assert all(torch.equal(found["network"][name], t) for name, t in network.state_dict().items())
    assert found["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]


# Plain values, however odd; whoever reads them finds that they are not what they should be.
PLAIN = {"packed only None", "packed laughs", "packed deep", "packed memo"}
OTHERS = [name for name in models() if "MB" not in name and name not in PLAIN]


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_is_no_such_file_is_damaged(tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    content = models()[name](canary)
    with pytest.raises(BadDataError, match=r"^it: damaged: ") as caught:
        load_saved(content, "it")
    assert "\n" not in str(caught.value)
    assert not canary.exists()


NUMBERS = torch.arange(6.0)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(6), NUMBERS[2:], NUMBERS[:4], torch.as_strided(NUMBERS, (6,), (0,), 5)],
    ids=["repeated", "its end", "its beginning", "repeated beyond its end"],
)
def test_a_tensor_that_is_not_as_large_as_what_is_stored_is_refused(tensor: torch.Tensor) -> None:
    """An optimizer walks over so many numbers, wherever the first of them is."""
    with pytest.raises(BadDataError, match="not as large as what is stored"):
        load_saved(saved({"deep": [({"in": tensor},)]}), "it")


def test_many_tensors_of_the_same_numbers_are_refused() -> None:
    many = {str(number): NUMBERS.repeat(1000).detach() for number in range(2)}
    assert load_saved(saved(many), "it").keys() == many.keys()
    same = many["0"]
    with pytest.raises(BadDataError, match="unpacks to more than it has"):
        load_saved(saved({str(number): same.view(-1) for number in range(20)}), "it")


def test_only_what_was_checked_is_read(tmp_path: Path) -> None:
    """Torch alone takes a file that begins with a pickle for one of its old ones, and runs it."""
    endless = models()["bare bytearray"](tmp_path / "canary")
    assert load_saved(endless + saved({"a": 1}), "it") == {"a": 1}


@pytest.mark.parametrize("name", ["archive/data.PKL", "archive/DATA.pkl"])
def test_a_pickle_by_any_writing_of_its_name_is_checked(tmp_path: Path, name: str) -> None:
    forbidden = models()["bare os.system 2"](tmp_path / "canary")
    alone, beside = io.BytesIO(), io.BytesIO(saved({}))
    for packed, why in ((alone, "it names 'posix system'"), (beside, "two members of one name")):
        with zipfile.ZipFile(packed, "a") as archive:
            archive.writestr(name, forbidden)
        with pytest.raises(BadDataError, match=why):
            load_saved(packed.getvalue(), "it")


NO_MEMORY = [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: x")]


@pytest.mark.parametrize("error", NO_MEMORY, ids=type)
def test_a_file_that_does_not_fit_now_is_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(UnreadableError, match=r"^it: does not fit into memory$"):
        load_saved(saved({}), "it")
