"""What a data-driven scheme reads of one layer: moments of its input x and of the loss gradient g
at its output."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from lora.eigen import top_axes
from lora.sketch import Sketch, merge

T = TypeVar("T")


@dataclass(frozen=True)
class Statistics:
    """Means over tokens, in float64 or float32, of a layer with weight (out, in).

    Args:
        count: total weight of the tokens (their number where each weighs 1).
        mean: E[x], (in,).
        moment: M = E[x x^T], uncentred, (in, in), read as `second_moment`; None where x was
            sketched, or the moment not asked for.
        gradient: G = E[g x^T], the mean gradient of the weight, (out, in); None where not asked
            for.
        weighted_second_moment: Q = E[|g|^2 x x^T], (in, in); None where not asked for, or sketched.
        covariance_sketch: of E[x x^T] - E[x] E[x]^T, a lower bound in psd order, in place of the
            second moment.
        weighted_sketch: the same of Q.
        tokens: their number, where known.
        capture_loss: an estimate of the part of the variance captured by the covariance's axes, as
            many as were asked for, that sampling loses: 1 - tr(V^T C V) / max over V. It is of the
            last check of a tolerance, and expected to be less for all tokens; None where none was
            made.
    """

    count: float
    mean: Tensor
    moment: Tensor | None
    gradient: Tensor | None = None
    weighted_second_moment: Tensor | None = None
    covariance_sketch: Sketch | None = None
    weighted_sketch: Sketch | None = None
    tokens: int | None = None
    capture_loss: float | None = None
    _axes: dict[bool, tuple[Tensor, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def covariance(self) -> Tensor:
        """E[x x^T] - E[x] E[x]^T, (in, in). Raises ValueError where the input was sketched.

        The difference loses eps (|mean| / std)^2 of its relative accuracy. In float64 that is less
        than the rounding of the float32 inputs themselves, eps32 |mean| / std, for every ratio
        below 1e8.
        """
        return torch.addr(self.second_moment, self.mean, self.mean, alpha=-1)

    @property
    def second_moment(self) -> Tensor:
        """M = E[x x^T], (in, in). Raises ValueError where it was not collected, or the input
        sketched."""
        if self.moment is None and self.covariance_sketch is None:
            raise ValueError('the second moment of the input needs statistics of need="inputs"')
        if self.moment is None:
            raise ValueError(
                f"of this input, {len(self.mean)} wide, only a sketch was stored; collect without "
                "axes, or with a larger sketch_above, for its whole second moment"
            )
        return self.moment

    def variance(self, center: bool = True) -> Tensor:
        """tr C = E|x - E[x]|^2, or tr M = E|x|^2 with `center=False`; exact for a sketch too."""
        square = self.mean.square()
        if self.covariance_sketch is not None:
            return self.covariance_sketch.trace + (0 if center else 1) * square.sum()
        return (self.second_moment.diagonal() - (square if center else 0)).sum()

    def axes(self, count: int | None = None, center: bool = True) -> tuple[Tensor, Tensor]:
        """The `count` largest eigenvalues (count,) and eigenvectors (in, count; in columns) of the
        covariance, or of M with `center=False`, the largest first; all of them by default.

        They are cached, so that layers which read one input solve for them once. Of a sketch they
        are the sketch's. Raises ValueError where more are asked for than it was taken for.
        """
        known = self._axes.get(center)
        wanted = len(self.mean) if count is None else min(count, len(self.mean))
        if known is None or len(known[0]) < wanted:
            if self.covariance_sketch is not None:
                known = self.covariance_sketch.axes(count, None if center else self.mean)
            else:
                known = top_axes(self.covariance if center else self.second_moment, count)
            self._axes[center] = known
        return known[0][:wanted], known[1][:, :wanted]

    def captured(self, V: Tensor) -> float:
        """tr(V^T C V), the variance along orthonormal columns V (in, k); of a sketch it is a lower
        bound."""
        if self.covariance_sketch is not None:
            return (self.covariance_sketch.factor.mT @ V).square().sum().item()
        return ((self.covariance @ V) * V).sum().item()

    def signal_axes(self, count: int) -> tuple[Tensor, Tensor]:
        """As `axes`, of Q. Raises ValueError where it was not collected."""
        if self.weighted_sketch is not None:
            return self.weighted_sketch.axes(count)
        if self.weighted_second_moment is None:
            raise ValueError(
                'the gradient signal needs statistics collected with need="Q" or "gradient"'
            )
        return top_axes(self.weighted_second_moment, count)


def merged(*parts: Statistics) -> Statistics:
    """The statistics of several disjoint sets of tokens as one: every mean weighted by its tokens.

    The factors of sketches are put side by side and cut to the former size. `capture_loss` is the
    largest of the parts', and that of the whole is expected to be below it.

    Args:
        parts: one or more, of the same layer and by the same settings of `lora.collect`.

    Raises: ValueError where one part has gradients or a sketch and another has not.
    """
    if not parts:
        raise ValueError("merged needs at least one Statistics")
    count = sum(part.count for part in parts)
    weights = [part.count / count for part in parts]

    def mean(field: str) -> Tensor | None:
        values = _all_or_none(field, [getattr(part, field) for part in parts])
        if not values:
            return None
        return torch.stack([w * value for w, value in zip(weights, values, strict=True)]).sum(0)

    first = mean("mean")
    assert first is not None
    second = mean("moment")
    inputs = _all_or_none("covariance_sketch", [part.covariance_sketch for part in parts])
    signal = _all_or_none("weighted_sketch", [part.weighted_sketch for part in parts])
    tokens = [part.tokens for part in parts if part.tokens is not None]
    losses = [part.capture_loss for part in parts if part.capture_loss is not None]
    return Statistics(
        count,
        first,
        second,
        mean("gradient"),
        mean("weighted_second_moment"),
        merge(inputs, weights, [part.mean - first for part in parts]) if inputs else None,
        merge(signal, weights) if signal else None,
        sum(tokens) if len(tokens) == len(parts) else None,
        max(losses) if len(losses) == len(parts) else None,
    )


def _all_or_none(field: str, values: Sequence[T | None]) -> list[T]:
    present = [value for value in values if value is not None]
    if present and len(present) < len(values):
        raise ValueError(f"merged: {field} is missing in some parts and present in others")
    return present
