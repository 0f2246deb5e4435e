"""What a data-driven scheme sees of one layer: moments of its input x and of the loss gradient g at its output."""

from dataclasses import dataclass

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
        """E[x x^T] - E[x] E[x]^T, (in, in)."""
        return self.second_moment - self.mean.outer(self.mean)
