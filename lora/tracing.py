"""Whether operations run as they are written, or something records or transforms them."""

from typing import Any

import torch


def transformed() -> bool:
    """Whether torch.func is at work, whose tensors have no memory of their own to write to."""
    return torch._C._are_functorch_transforms_active()


def recorded() -> bool:
    """Whether torch.func, torch.compile, torch.export or torch.jit.trace is at work. What is
    remembered from an earlier forward must then not be used: it would become a constant."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or transformed()


def watched() -> bool:
    """Whether hooks see every tensor that is saved for backward."""
    autograd: Any = torch._C._autograd  # type: ignore[attr-defined]
    return autograd._top_saved_tensors_default_hooks(True) is not None
