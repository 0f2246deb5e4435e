"""The base model's function for a moment, in place of the adapted one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import nn

from lora.model import adapters, holder, state_of


@contextmanager
def disabled(model: nn.Module) -> Iterator[None]:
    """The base model's function for a moment, bit for bit, its own modules_to_save included.

        with torch.no_grad(), lora.disabled(model):
            reference = model(**batch).logits          # DPO's reference model, at no memory

    May be nested, works on a merged model, and ends with any exception. Meanwhile the adapters can
    be neither saved, merged, detached nor given to an optimiser. A backward pass through activation
    checkpoints computes forwards anew, so run it within too.

    Args:
        model: a model with adapters.

    Raises: ValueError where the model carries no adapter, or was merged with keep_base=False.
    """
    state, layers = state_of(model), adapters(model)
    for name, layer in layers.items():
        try:
            _ = layer.original
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    with ExitStack() as restored:
        restored.callback(setattr, state, "disabled", state.disabled)
        for layer in layers.values():
            restored.callback(setattr, layer, "disabled", layer.disabled)
        for key in state.originals:
            module, name = holder(model, key)
            restored.callback(setattr, module, name, getattr(module, name))
        for key, value in state.originals.items():
            module, name = holder(model, key)
            now = getattr(module, name)
            if isinstance(now, nn.Parameter):
                setattr(module, name, nn.Parameter(value.to(now), requires_grad=False))
            else:  # a forward in train mode may write a buffer
                setattr(module, name, value.to(now, copy=True))
        for layer in layers.values():
            layer.disabled = True
        state.disabled = True
        yield
