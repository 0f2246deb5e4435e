"""What a data-driven scheme sees of one layer: moments of its input x and of the loss gradient g at its output."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Statistics:
    """Means over tokens, in float64 or float32, of a layer with weight (out, in).

    count                    total weight of the tokens (their number where each weighs 1)
    mean                     E[x], (in,)
    second_moment            M = E[x x^T], uncentred, (in, in)
    gradient                 G = E[g x^T], the mean gradient of the weight, (out, in); None where not asked for
    weighted_second_moment   Q = E[|g|^2 x x^T], (in, in); None where not asked for
    """

    count: float
    mean: Tensor
    second_moment: Tensor
    gradient: Tensor | None = None
    weighted_second_moment: Tensor | None = None

    @property
    def covariance(self) -> Tensor:
        """E[x x^T] - E[x] E[x]^T, (in, in).

        The difference loses eps (|mean| / std)^2 of its relative accuracy. In float64 that is less than the rounding
        of the float32 inputs themselves, eps32 |mean| / std, for every ratio below 1e8.
        """
        return self.second_moment - self.mean.outer(self.mean)

    @cached_property
    def centred_axes(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues (in,) and eigenvectors (in, in; in columns) of the covariance, the largest first.

        Kept, so that layers which read one input solve for them once.
        """
        return _axes(self.covariance)

    @cached_property
    def uncentred_axes(self) -> tuple[Tensor, Tensor]:
        """The same of the second moment."""
        return _axes(self.second_moment)


def merged(*parts: Statistics) -> Statistics:
    """The statistics of several disjoint sets of tokens as one: every mean weighted by the tokens behind it.

    Raises ValueError where one part has gradients and another has not.
    """
    if not parts:
        raise ValueError("merged needs at least one Statistics")
    count = sum(part.count for part in parts)

    def mean(field: str) -> Tensor | None:
        values = [getattr(part, field) for part in parts]
        if all(value is None for value in values):
            return None
        if any(value is None for value in values):
            raise ValueError(f"merged: {field} is missing in some parts and present in others")
        return torch.stack([part.count / count * value for part, value in zip(parts, values, strict=True)]).sum(0)

    first, second = mean("mean"), mean("second_moment")
    assert first is not None
    assert second is not None
    return Statistics(count, first, second, mean("gradient"), mean("weighted_second_moment"))


def _axes(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(symmetric.double())
    return values.flip(0), vectors.flip(1)
