"""What an update s (B A - B0 A0) is made of, and the one matrix product L R that it is."""

from typing import NamedTuple

import torch
from torch import Tensor

from lora.branch import columns
from lora.schemes import Factors


class Parts(NamedTuple):
    """The parts of an update at one moment.

    Args:
        B: (out, r).
        A: (r, in).
        extension: (L, R) of a further term s L R that vanishes at first.
        magnitudes: the norm (out,) that each row of the adapted weight is given.
    """

    B: Tensor
    A: Tensor
    extension: tuple[Tensor, Tensor] | None = None
    magnitudes: Tensor | None = None

    def trained(self, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """([B, L], [A; R]): the pair of factors with the extension, and of the second the columns
        of these n ids alone, (k, n), where they are given."""
        return self._extended(self.B, columns(self.A, ids), ids)

    def update(self, frozen: Factors | None, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(L, R) with L R = B A - B0 A0 and the extension, written so that it vanishes exactly
        while (B, A) is the frozen pair (B0, A0); ids as in `trained`."""
        L, R = self.B, columns(self.A, ids)
        if frozen is not None:
            L = torch.cat([L - frozen.B, frozen.B], 1)
            R = torch.cat([R, R - columns(frozen.A, ids)])
        return self._extended(L, R, ids)

    def exported(self, frozen: Factors | None) -> Factors:
        """The same matrix as a pair of plain factors, [B, extension, -B0] [A; extension; A0]."""
        L, R = self.trained()
        if frozen is not None:
            L, R = torch.cat([L, -frozen.B], 1), torch.cat([R, frozen.A])
        return Factors(L, R)

    def _extended(self, L: Tensor, R: Tensor, ids: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.extension is None:
            return L, R
        more, rows = self.extension
        return torch.cat([L, more], 1), torch.cat([R, columns(rows, ids)])
