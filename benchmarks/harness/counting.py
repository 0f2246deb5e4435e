"""What can be counted rather than timed, and is the same on every machine: operator calls of a
step (on a GPU its launches), bytes saved for backward, graphs of a compiled model."""

import gc
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

NO_WORK = {
    "_unsafe_view",
    "empty",
    "empty_like",
    "empty_strided",
    "lift_fresh",
    "new_empty",
    "new_empty_strided",
    "promote_types",
    "scalar_tensor",
}
"""operators that compute nothing, besides those that torch itself calls views"""


class _Counting(TorchDispatchMode):
    """Counts the operators that compute something, those of backward too."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if not func.is_view and name not in NO_WORK:
            self.calls[name] += 1
        return func(*args, **(kwargs or {}))


def operator_calls(run: Callable[[], object]) -> Counter[str]:
    """The calls of each operator while `run` runs, but for views and bare allocations."""
    with _Counting() as counting:
        run()
    return counting.calls


class _Made(TorchDispatchMode):
    """Remembers every storage that an operator makes."""

    def __init__(self) -> None:
        super().__init__()
        self.storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                storage = value.untyped_storage()
                self.storages[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        return result


def bytes_saved(loss: Callable[[], Tensor], model: nn.Module) -> int:
    """Of every storage that a forward made and that its graph keeps alive, once each, but the
    model's own and the loss: what is saved for backward, by whatever means."""
    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    with _Made() as made:
        graph = loss()  # lives while it is counted, and so does every storage
    gc.collect()
    own.add(graph.untyped_storage()._cdata)
    kept = [n for key, (it, n) in made.storages.items() if key not in own and not it.expired()]
    del graph
    return sum(kept)


def graphs(run: Callable[[Callable[..., Any]], object], model: nn.Module) -> int:
    """Into how many graphs torch.compile cuts the model, for run(compiled model)."""
    count = 0

    def backend(graph: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        nonlocal count
        count += 1
        return graph.forward

    torch._dynamo.reset()
    try:
        run(torch.compile(model, backend=backend))
    finally:
        torch._dynamo.reset()
    return count
