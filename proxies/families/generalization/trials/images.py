"""The images that an adapter is certified on: those of scikit-learn's digits, of which there is one
set that seeds only split, and images drawn from a normal law of each digit, new ones for each seed.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from proxies.instruments.digits import CLASSES, COUNT, SIDE, digits, parts

PRETRAINED, TRAINED = 400, 1000
TESTED = 2000  # of drawn images; of the digits, what is left


class Split(NamedTuple):
    x: Tensor
    y: Tensor


def splits(source: str, seed: int) -> tuple[Split, Split, Split]:
    """Images to pretrain on, and mirrored ones to train on and to test on.

    Args:
        source: a key of `SOURCES`.
        seed: orders the digits, or draws the images.
    """
    x, y = SOURCES[source](np.random.default_rng(seed))
    order = torch.arange(len(y))
    pre, train, test = (Split(x[p], y[p]) for p in parts(order, [PRETRAINED, TRAINED]))
    return pre, train._replace(x=mirrored(train.x)), test._replace(x=mirrored(test.x))


def mirrored(x: Tensor) -> Tensor:
    return x.view(-1, SIDE, SIDE).flip(2).reshape(-1, SIDE * SIDE)


def _shuffled(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    images, labels = digits()
    order = torch.from_numpy(rng.permutation(COUNT))
    return images[order].flatten(1), labels[order]


def _drawn(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A label is uniform, and an image normal with its digit's mean and covariance."""
    means, roots = _laws()
    labels = rng.integers(CLASSES, size=PRETRAINED + TRAINED + TESTED)
    noise = rng.standard_normal((len(labels), SIDE * SIDE))
    images = means[labels] + np.einsum("nij,nj->ni", roots[labels], noise)
    return torch.from_numpy(images.astype(np.float32)), torch.from_numpy(labels)


@cache
def _laws() -> tuple[np.ndarray, np.ndarray]:
    """Of each digit the mean image, and a root of the covariance."""
    images, labels = (values.numpy() for values in digits())
    of_class = [images[labels == c].reshape(-1, SIDE * SIDE).astype(float) for c in range(CLASSES)]
    covariances = np.array([np.cov(one.T) for one in of_class])
    values, vectors = np.linalg.eigh(covariances)  # of pixels that are always black too
    return (
        np.array([one.mean(0) for one in of_class]),
        vectors * np.sqrt(np.maximum(values, 0))[:, None, :],
    )


SOURCES: dict[str, Callable[[np.random.Generator], tuple[Tensor, Tensor]]] = {
    "digits": _shuffled,
    "drawn images": _drawn,
}
