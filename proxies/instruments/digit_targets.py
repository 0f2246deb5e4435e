"""scikit-learn's 8 x 8 digits as images to generate: what the base model has seen, and the two
targets it is adapted to.

Pixels lie in [-1, 1]. A label is the digit, plus 10 where the image is inverted. A seed is a split
of the target.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from proxies.instruments.digits import digits as grey_digits
from proxies.instruments.digits import order, parts

PIXELS, LABELS = 64, 20
SEEN = range(5)  # the digits that the base model is trained on
TARGETS = {"new classes": range(5, 10), "new style": range(10, 15)}
"""the labels of each target: digits 5 to 9 as they are, and the seen digits inverted"""
TRAIN, VALIDATION = 200, 200  # of a target's 896 or 901 images; the others are for the test


class Split(NamedTuple):
    """Images of a target, (n, 64) each."""

    train: Tensor
    validation: Tensor
    test: Tensor


def digits() -> tuple[Tensor, Tensor]:
    """Images (1797, 64) and digits (1797,)."""
    images, labels = grey_digits(-1.0, 1.0)
    return images.flatten(1), labels


def both_styles() -> tuple[Tensor, Tensor]:
    """Every image as it is and inverted, (3594, 64), with labels (3594,)."""
    images, labels = digits()
    return torch.cat([images, -images]), torch.cat([labels, labels + 10])


def of(labels: range) -> Tensor:
    """All images of these labels, (n, 64)."""
    images, found = both_styles()
    return images[torch.isin(found, torch.tensor(labels))]


def split(target: str, seed: int) -> Split:
    """Images of a target by a permutation that is a function of the seed alone."""
    images = of(TARGETS[target])
    return Split(*(images[part] for part in parts(order(seed, len(images)), (TRAIN, VALIDATION))))
