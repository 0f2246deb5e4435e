"""What stands in the way of an adapter: in a whole model, and in the weight of one layer.

Every answer is a sentence, and is known before anything is changed or read. Other libraries are
looked up among what is loaded, never imported: a model can hold something of theirs only then.
"""

import sys
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from lora.processes import is_sharded

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PACKERS = (
    "aqlm",
    "auto_gptq",
    "awq",
    "eetq",
    "gptqmodel",
    "hqq",
    "neural_compressor",
    "optimum.quanto",
    "quanto",
    "spqr_quant",
    "torch.ao.nn.quantized",
    "transformers.integrations",
    "vptq",
)
"""Packages whose linear layers hold a weight that only they can read."""


@runtime_checkable
class _Sized(Protocol):
    in_features: int
    out_features: int


def check_model(model: Any, trained: bool = True) -> None:
    """Raise ValueError where a model cannot be adapted, whatever its layers are.

    Args:
        model: what the user gave.
        trained: False where the model is only run.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise ValueError(f"{name} has no shape yet; run the model on a batch first")
        if trained and parameter.is_inference():
            raise ValueError(
                f"{name} was made under torch.inference_mode, and no gradient can pass it; build "
                "or load the model outside of that mode"
            )


def check_without_peft(model: nn.Module) -> None:
    """Raise ValueError for a model that carries an adapter of PEFT, within its wrapper or not."""
    peft: Any = sys.modules.get("peft")
    if peft is None:
        return
    kinds = (peft.PeftModel, peft.tuners.tuners_utils.BaseTunerLayer)
    for name, module in model.named_modules():
        if isinstance(module, kinds):
            raise ValueError(
                f"{name or 'the model'} is an adapter of PEFT (a {type(module).__name__}), on "
                "which no second one is put; initialize PEFT's own by "
                "lora.initialize_peft(model, scheme), or take it off by peft_model.unload()"
            )


def packer(module: nn.Module) -> str | None:
    """The library of a linear layer whose weight is packed in a form that is unknown here, if it is
    such a layer: by the library's name, or by a matrix of whole numbers or of float8."""
    for kind in type(module).__mro__:
        path = f"{kind.__module__}."
        if "Linear" in kind.__name__ and path.startswith(tuple(f"{name}." for name in PACKERS)):
            return path.split(".")[0]
    tensors = (*module._parameters.values(), *module._buffers.values())
    held = [tensor for tensor in tensors if tensor is not None and not is_lazy(tensor)]
    if isinstance(module, _Sized) and any(t.ndim > 1 and _packed(t.dtype) for t in held):
        return type(module).__module__.split(".")[0]
    return None


def _packed(dtype: torch.dtype) -> bool:
    return not dtype.is_complex and dtype not in (*DTYPES, torch.bool)


def fault(weight: Tensor) -> str | None:
    """Why a dense weight cannot be read or multiplied by as it stands, if so."""
    if weight.is_meta:
        return (
            "its weight is on the meta device, so it was not loaded, or is offloaded; load the "
            "whole model into memory first, without a device_map or cpu_offload that offloads it"
        )
    if is_traceable_wrapper_subclass(weight) and not is_sharded(weight):
        return f"its weight is a {type(weight).__name__}, of which nothing is known here"
    if weight.layout != torch.strided:
        return f"its weight must be dense, and is {weight.layout}; call to_dense() on it first"
    if weight.dtype not in DTYPES:
        return (
            f"its weight is {weight.dtype}, and must be float16, bfloat16, float32 or float64; a "
            "quantised layer needs the attributes of lora.bases.QuantisedLinear"
        )
    if weight.ndim != 2:
        return (
            f"its weight has shape {tuple(weight.shape)}, and must be a matrix; a weight that is "
            "partitioned by DeepSpeed ZeRO-3 is not supported"
        )
    return None
