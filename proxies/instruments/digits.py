"""scikit-learn's 8 x 8 digits: 1797 grey images and their labels, and seeded splits of them."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Generator, Tensor

COUNT, SIDE, CLASSES = 1797, 8, 10


@cache
def digits(low: float = 0.0, high: float = 1.0) -> tuple[Tensor, Tensor]:
    """Every image with its label.

    Args:
        low: the value of a black pixel.
        high: the value of a white one.

    Returns: images (1797, 8, 8) in float32 and labels (1797,).
    """
    from sklearn.datasets import load_digits  # slow to import

    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, SIDE, SIDE)
    return images / 16 * (high - low) + low, torch.tensor(labels)


def order(seed: int, count: int = COUNT) -> Tensor:
    """A permutation of the first `count` numbers that is a function of the seed alone."""
    return torch.randperm(count, generator=Generator().manual_seed(seed))


def parts(order: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """The permutation in parts of these sizes, and what remains as the last part."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return order.tensor_split(ends)
