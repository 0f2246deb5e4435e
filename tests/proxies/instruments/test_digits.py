"""The digits: as scikit-learn has them, in the range that is asked for, split by the seed alone."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from proxies.instruments.digits import CLASSES, COUNT, SIDE, digits, order, parts


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (-0.3, 0.7)])
def test_pixels_lie_in_the_range_and_are_scikit_learns(low, high):
    images, labels = digits(low, high)
    theirs: Any = load_digits()
    assert images.shape == (COUNT, SIDE, SIDE)
    # two roundings of numbers of size one at most
    eps = torch.finfo(torch.float32).eps
    expected = theirs.images / 16 * (high - low) + low
    assert np.abs(images.numpy() - expected).max() <= 2 * eps
    assert labels.tolist() == theirs.target.tolist()
    assert set(labels.tolist()) == set(range(CLASSES))


def test_parts_hold_every_image_once_and_follow_from_the_seed():
    found = parts(order(3), [1000, 300])
    assert [len(part) for part in found] == [1000, 300, 497]
    assert sorted(torch.cat(found).tolist()) == list(range(COUNT))
    assert torch.equal(order(3), order(3))
    assert not torch.equal(order(3), order(4))
    assert len(order(0, 10)) == 10
