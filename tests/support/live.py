"""Bytes of the tensors that are made in a block of code and are alive, storage by storage."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Live(TorchDispatchMode):
    """Attributes: `peak`, the most bytes that were alive at the end of an operation, where it is
    asked for."""

    def __init__(self, own: Iterable[Tensor], peaks: bool = False) -> None:
        """`own` are tensors that were there before, such as parameters."""
        super().__init__()
        self.own = {t.untyped_storage()._cdata for t in own}
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peaks, self.peak = peaks, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        made = func(*args, **(kwargs or {}))
        for t in tree_leaves(made):
            s = t.untyped_storage() if isinstance(t, Tensor) else None
            if s is None or s._cdata in self.own:
                continue
            if (known := self.alive.get(s._cdata)) is None or known[0].expired():
                self.alive[s._cdata] = StorageWeakRef(s), s.nbytes()
        if self.peaks:
            self.now()
        return made

    def now(self) -> int:
        self.alive = {key: pair for key, pair in self.alive.items() if not pair[0].expired()}
        found = sum(size for _, size in self.alive.values())
        self.peak = max(self.peak, found)
        return found


def of(model: torch.nn.Module, batch: dict[str, Tensor], peaks: bool = False) -> Live:
    """Besides the model's tensors and the batch's."""
    return Live((*model.parameters(), *model.buffers(), *batch.values()), peaks)
