"""What can be counted rather than timed, and is the same on every machine: operator calls of a
step (on a GPU its launches), bytes saved for backward, graphs of a compiled model."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

NO_WORK = {"_unsafe_view", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
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


def bytes_saved(loss: Callable[[], Tensor], model: nn.Module) -> int:
    """Of every storage that autograd saves for backward, once each, but the model's own."""
    own = {
        tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())
    }
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        graph = loss()  # lives while it is counted, and so does every storage
    del graph
    return sum(saved.values())


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
