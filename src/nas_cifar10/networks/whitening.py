"""The filters of a whitening stem, from the training pictures; knows neither split nor training.

As in "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498): patches seen through
these filters are uncorrelated and vary alike, so that the first learning layer starts well.
"""

import torch
from torch import Tensor, nn

_FLOOR = 5e-4  # added to every variance: what hardly varies is not blown up


def whitening_filters(images: Tensor, size: int = 2) -> Tensor:
    """Return the eigenvectors of the patches' covariance, each by its deviation, and their mirrors.

    Args:
        images: (N, C, H, W), centred on about 0.

    Returns:
        (2C size², C, size, size) float32 on the CPU, the strongest first.
    """
    num_colours = images.shape[1]
    patches = images.cpu().double().unfold(2, size, 1).unfold(3, size, 1)
    rows = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)  # (patches, C size²)
    variances, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
    filters = vectors.T.flip(0) / (variances.flip(0)[:, None] + _FLOOR).sqrt()
    # An eigenvector's sign is arbitrary: its largest part is made positive.
    largest = filters.gather(1, filters.abs().argmax(1, keepdim=True))
    filters = (filters * largest.sign()).float()
    return torch.cat([filters, -filters]).view(-1, num_colours, size, size)


@torch.no_grad()
def whiten(network: nn.Module, images: Tensor) -> None:
    """Fill in the stem of a network that has a whitening one.

    Args:
        images: (N, C, H, W) as the network sees them; a few hundred will do.
    """
    stem = network.get_submodule("stem")
    filters = next(module for module in stem.modules() if isinstance(module, nn.Conv2d))
    filters.weight.copy_(whitening_filters(images, filters.kernel_size[0]))
