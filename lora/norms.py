"""The row norms of W + s L R, without forming it.

    n^2 = |w|^2 + 2 s L . (W R^T) + s^2 L . (L R R^T),    row by row,                       (1)

which is derived by expanding the square. It takes k multiply-adds a weight, in the
weight's own type, where the dense matrix takes as many in float32 and two passes more over all of
it. The products are in
the type of W, the sums over k in float32 at least: n is off by a few eps |s L R| / |w| of itself,
eps that of W's type. While L R = 0 by zeros, as at step 0, n is |w| bit for bit.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lora.bases import base_of
from lora.processes import is_sharded
from lora.tracing import recorded


def row_norms(W: Tensor) -> Tensor:
    """|w| for each row of W (out, in), in float32 at least."""
    return torch.linalg.vector_norm(W, dim=1, dtype=torch.promote_types(W.dtype, torch.float32))


@torch.no_grad()
def growth(W: Tensor, L: Tensor, R: Tensor) -> Tensor:
    """n^2 - |w|^2 of (1) for W + L R, (out,)."""
    L, R = L.to(W.dtype), R.to(W.dtype)
    K = torch.addmm(W @ R.mT, L, R @ R.mT, beta=2)
    return (L * K).sum(1, dtype=torch.promote_types(W.dtype, torch.float32))


def excess(m: Tensor, norms: Tensor, grown: Tensor) -> Tensor:
    """m / n - 1 with n^2 = norms^2 + grown, a constant in backward; 0 for a row that vanishes,
    which has no direction."""
    n = torch.where(grown == 0, norms, (norms.square() + grown).clamp_min_(0).sqrt_())
    return torch.where(n > 0, m - n, 0) / torch.where(n > 0, n, 1)


class Norms:
    """The row norms of a base weight, measured again only where the weight was written since.

    A weight that an optimiser may change (it requires a gradient), or that is unpacked or gathered
    anew for each forward, is measured in each.
    """

    def __init__(self) -> None:
        self.known: tuple[Tensor, int, int, Tensor] | None = None

    @torch.no_grad()
    def of(self, base: nn.Module, W: Tensor) -> Tensor:
        """Of the layer `base`, whose weight is W as (out, in)."""
        if base_of(base).quantised or _may_change(base.weight):
            return row_norms(W)
        stored: Any = base.weight
        now = stored.data_ptr(), stored._version
        if self.known is None or self.known[0] is not stored or self.known[1:3] != now:
            self.known = (stored, *now, row_norms(W))
        return self.known[3]


def _may_change(stored: Any) -> bool:
    """Whether a change of the stored weight could not be seen."""
    return recorded() or is_sharded(stored) or stored.is_inference() or stored.requires_grad
