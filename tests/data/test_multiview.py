"""Several views of a picture, against a loop over pictures and pixels."""

from typing import get_args

import numpy as np
import pytest
import torch

from made_trained import made_model, made_part
from nas_cifar10.config.retrain import RetrainConfig
from nas_cifar10.data.loader import normalise
from nas_cifar10.data.multiview import VIEWS, View, seen
from nas_cifar10.model import over_views, probabilities


def test_the_table_and_the_schema_agree_and_weights_sum_to_one() -> None:
    named = get_args(RetrainConfig.model_fields["views"].annotation)
    assert set(named) == {"none", *VIEWS}
    for views in VIEWS.values():
        assert sum(view.weight for view in views) == 1
        assert sum(view.weight for view in views if view.mirrored) == 0.5
        assert len(set(views)) == len(views)
    assert {view.shift for view in VIEWS["flip_translate"]} == {-1, 0, 1}


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("view", VIEWS["flip_translate"])
def test_a_view_equals_numpys_reflected_border(view: View, size: int) -> None:
    images = torch.randn(3, 2, size, size, generator=torch.Generator().manual_seed(0))
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    begin = 1 - view.shift
    expected = padded[:, :, begin : begin + size, begin : begin + size]
    if view.mirrored:
        expected = expected[:, :, :, ::-1]
    assert np.array_equal(seen(images, view).numpy(), expected)


@pytest.mark.parametrize("name", VIEWS)
def test_the_mean_is_that_of_the_logits_picture_by_picture(name: str) -> None:
    model, part = made_model("residual"), made_part(num=7)
    found, network = over_views(model.network, part, VIEWS[name]), model.network.eval()
    for number, row in enumerate(part.rows):
        image, logits = normalise(part.images[row][None]), torch.zeros(1, 4)
        with torch.no_grad():
            for view in VIEWS[name]:
                logits = logits + view.weight * network(seen(image, view))
        assert np.allclose(found[number], logits.softmax(1)[0].numpy(), atol=1e-5)
    assert not np.array_equal(found, probabilities(network, part))


def test_one_plain_view_is_the_plain_answer() -> None:
    model, part = made_model(), made_part(num=5)
    plain = probabilities(model.network, part)
    assert np.array_equal(over_views(model.network, part, (View(1.0),)), plain)
