"""In what a run computes, by `--precision`:

    float32   everything.
    bfloat16  the frozen base model is held in it, at half the memory, and computes in it, in
              training and in every evaluation; adapters and the modules that are trained whole are
              held in float32.
    float16   the products of a float32 base model in training, with a scaled loss: its range is too
              narrow to hold weights in.
    auto      of a pretrained language model at least 512 wide, bfloat16 where that is faster on
              this machine, by a product of the model's own shape; of any other, float32.

Full fine-tuning trains float32 weights at each: bfloat16 is then for products alone too. What auto
has become is what a run and a sweep record and go on with, on another machine too.
"""

import time
from collections.abc import Collection
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from scaling.core.config import Config
from scaling.core.quiet import quiet
from scaling.core.settings import AUTO
from scaling.models.packaged import language_model, located

TASKS, WIDE = ("causal_lm", "multiple_choice"), 512
# A product of SmolLM2's shape is 1.9 to 2.7 times as fast on a processor that multiplies bfloat16,
# more with AMX or on a GPU, and slower on one that does not: the choice must not hang on noise.
MARGIN = 1.25
TOKENS, LARGEST, ROUNDS = 256, 2048, 5  # of the product that is measured


def settled(config: Config, recorded: str | None = None) -> tuple[Config, str | None]:
    """The run with its precision decided, and a line that says which it is where this machine has
    decided. `recorded` is what a run or sweep of this config was begun with."""
    if config.training.precision != AUTO:
        return config, None
    if recorded is not None:
        return config.replace(precision=recorded), None
    shape = product_of(config)
    if shape is None or shape[1] < WIDE:
        return config.replace(precision="float32"), None
    took = {dtype: milliseconds(dtype, shape) for dtype in (torch.float32, torch.bfloat16)}
    ratio = took[torch.float32] / took[torch.bfloat16]
    precision = "bfloat16" if ratio > MARGIN else "float32"
    wide, width = shape
    return config.replace(precision=precision), (
        f"precision: {precision}, as on this machine a product of the model's shape ({wide} x "
        f"{width}) takes {took[torch.bfloat16]:.3g} ms in bfloat16 and "
        f"{took[torch.float32]:.3g} in float32; --precision chooses"
    )


def product_of(config: Config) -> tuple[int, int] | None:
    """The shape (out, in) of the widest layer of a block of the run's language model; None where
    the task has another kind of model, or its files do not say."""
    if config.data.task not in TASKS:
        return None
    found = described(language_model(config.data.model), config.data.trust_remote_code)
    width = getattr(found, "hidden_size", None)
    return (
        None if width is None else (getattr(found, "intermediate_size", None) or 4 * width, width)
    )


def described(model: str, trust_remote_code: bool = False) -> Any:
    """transformers' configuration of a model's text part; None where there is none to be read, as
    the run itself says what is wrong with a model."""
    from transformers import AutoConfig

    folder = located(model)
    try:
        with quiet():
            found = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except Exception:  # of a file that is anything
        return None
    return found.get_text_config()


def milliseconds(dtype: torch.dtype, shape: tuple[int, int]) -> float:
    """The least time of a few products W x for W of this shape, at most 2048 a side, and 256 rows
    of x."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out, in_ = (min(side, LARGEST) for side in shape)
    x, W = (torch.ones(rows, in_, dtype=dtype, device=device) for rows in (TOKENS, out))
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        nn.functional.linear(x, W)
        if device == "cuda":
            torch.cuda.synchronize()
        took.append(time.perf_counter() - began)
    return 1e3 * min(took[1:])


def base_dtype(config: Config) -> torch.dtype:
    """Of the base model; float32 where it is trained, and as long as `settled` has not decided."""
    held = config.training.precision == "bfloat16" and not config.full
    return torch.bfloat16 if held else torch.float32


def autocast_dtype(config: Config) -> torch.dtype | None:
    """Of the products alone, where the base model is held in float32; None where they are of its
    own type, and as long as `settled` has not decided."""
    if config.training.precision == AUTO:
        return None
    dtype = getattr(torch, config.training.precision)
    return None if dtype == base_dtype(config) else dtype


def hold(model: nn.Module, dtype: torch.dtype, whole: Collection[str]) -> None:
    """Have a model whose frozen weights are of this type compute with inputs of float32, and with
    the named modules, which are trained whole, held in float32.

    Such a module computes in float32. What it gives goes on in the base model's type, but for a
    head: its logits are for the loss.
    """
    if dtype == torch.float32:
        return
    model.register_forward_pre_hook(partial(_take, dtype), with_kwargs=True)
    body: Any = getattr(model, "base_model", model)  # transformers' word for all but a head
    inside = {id(module) for module in body.modules()}
    for name in whole:
        module = model.get_submodule(name).float()
        module.register_forward_pre_hook(partial(_take, torch.float32), with_kwargs=True)
        if id(module) in inside:
            module.register_forward_hook(partial(_give, dtype))


def _take(dtype: torch.dtype, module: nn.Module, given: Any, named: Any) -> tuple[Any, Any]:
    return tuple(_cast(dtype, x) for x in given), {k: _cast(dtype, x) for k, x in named.items()}


def _give(dtype: torch.dtype, module: nn.Module, given: Any, output: Any) -> Any:
    return _cast(dtype, output)


def _cast(dtype: torch.dtype, value: Any) -> Any:
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return value.to(dtype) if floating else value
