"""What a data-driven scheme sees of one layer: moments of its input x and of the loss gradient g at its output."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from lora.eigen import top_axes


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
    _axes: dict[bool, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def covariance(self) -> Tensor:
        """E[x x^T] - E[x] E[x]^T, (in, in).

        The difference loses eps (|mean| / std)^2 of its relative accuracy. In float64 that is less than the rounding
        of the float32 inputs themselves, eps32 |mean| / std, for every ratio below 1e8.
        """
        return self.second_moment - self.mean.outer(self.mean)

    def axes(self, count: int | None = None, center: bool = True) -> tuple[Tensor, Tensor]:
        """The `count` largest eigenvalues (count,) and eigenvectors (in, count; in columns) of the covariance, or of M
        with `center=False`, the largest first; all of them by default.

        Kept, so that layers which read one input solve for them once.
        """
        known = self._axes.get(center)
        wanted = len(self.mean) if count is None else min(count, len(self.mean))
        if known is None or len(known[0]) < wanted:
            known = self._axes[center] = top_axes(self.covariance if center else self.second_moment, count)
        return known[0][:wanted], known[1][:, :wanted]


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
