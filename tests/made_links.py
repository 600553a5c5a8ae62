"""Links to some of CIFAR-10's pictures: a folder's are all decoded, whatever the limit."""

from pathlib import Path

import pytest

CIFAR = Path(__file__).parents[1] / "data" / "cifar"


def some_of_cifar10(folder: Path, train: int, test: int | None = None) -> Path:
    """Fill a folder with links to so many pictures of each class.

    Args:
        test: None: all of them, 10,000.
    """
    if not (CIFAR / "train").is_dir():
        pytest.skip("the CIFAR-10 pictures are not under data/cifar")
    for part, number in (("train", train), ("test", test)):
        if number is None:
            (folder / part).symlink_to(CIFAR / part)
            continue
        for given in (CIFAR / part).iterdir():
            (folder / part / given.name).mkdir(parents=True)
            for path in sorted(given.iterdir())[:number]:
                (folder / part / given.name / path.name).symlink_to(path)
    return folder
