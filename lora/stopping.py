"""When a pass over the data may end: an estimate of what sampling costs, from two halves of the
data.

With V_1, V_2 the top r eigenvectors of the covariances C_1, C_2 of two independent halves, each
half's axes are measured by the other's covariance,

    l = mean over the two of 1 - tr(V_1^T C_2 V_1) / tr(V_2^T C_2 V_2).                          (1)

For halves of N tokens both sides are off by O(1/N) of the optimum, and their errors are
independent, so to leading order E[l] is twice a half's own loss; all tokens lose half of that
again. So the capture loss of the whole is about

    l / 4   (derived).                                                                           (2)

The halves share the columns of their sketches, which are only where variance is looked for.
"""

from collections.abc import Sequence

from lora.hooks import Recorder
from lora.statistics import Statistics

# what an initialization may lose where nobody says: axes that capture 40 % of the variance of all
# tokens then lose .2 % of it
TOLERANCE = 0.005


def capture_loss(parts: Sequence[Statistics], axes: int) -> float:
    """(2): estimate of 1 - tr(V^T C V) / max for the centred axes V of all tokens; infinite for
    less than two parts."""
    if len(parts) < 2:
        return float("inf")
    losses = []
    for mine, other in (parts, parts[::-1]):
        best, _ = other.axes(axes)
        best = best.clamp(min=0).sum().item()
        losses.append(1 - other.captured(mine.axes(axes)[1]) / best if best > 0 else 0.0)
    return max(0.0, sum(losses) / 8)


class Check:
    """Whether a pass may end, and what each input is estimated to lose; asked after every batch.

    It looks after 2, 4, 8, ... batches only, since a look costs as much time as some batches, and
    ends it at the first input that loses too much: at the next look that one comes first.
    """

    def __init__(self, axes: int, tolerance: float) -> None:
        self.axes, self.tolerance = axes, tolerance
        self.losses: dict[str, float] = {}

    def passed(self, recorder: Recorder, batches: int) -> bool:
        """Whether no input loses more than the tolerance."""
        if batches < 2 or batches & (batches - 1) or len(recorder.owner) < len(recorder.modules):
            return False
        owners = dict.fromkeys(recorder.owner.values())
        for owner in sorted(owners, key=lambda owner: -self.losses.get(owner, 0.0)):
            parts = [sums.statistics() for sums in recorder.of(owner)]
            self.losses[owner] = capture_loss(parts, self.axes)
            if self.losses[owner] > self.tolerance:
                return False
        return True
