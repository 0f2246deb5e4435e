"""The frozen base model in fewer bits, by `--quantize`, as transformers reads it:

    nf4   bitsandbytes: four bits a weight; 64 weights share a scale of eight bits, and 256 scales
          one of 32, so 4.127 bits a weight in all (QLoRA, arXiv:2305.14314)
    int8  torchao, weights alone: eight bits a weight, and a scale for each row of W

The weights of linear layers (for nf4 of transformers' Conv1D too) are quantised one by one as they
are read. All else is held in the type of `--precision`, in which the layers compute: the output
head and the modules that are trained whole, embeddings, norms, biases. For nf4 so is a layer whose
inputs are no multiple of 64: on a CPU bitsandbytes 0.50 would read its weights with scales of
others. Adapters are float32.

The quantised model is the base model: its function is the one before training and at step 0, and
initializations read its weight, dequantised, and never write it. So none of them needs the weight
that was quantised: PiSSA's factors are those of the quantised weight, whose frozen pair takes them
off again, and `pissa`, `nystrom` and the like are not refused.
"""

import importlib.util
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from lora import four_bits
from lora.bases import find_base, is_dense_linear, shape_of
from lora.patterns import matches
from scaling.core import processes
from scaling.core.config import Config, peft_settings
from scaling.core.quiet import silence
from scaling.models.precision import base_dtype
from scaling.tasks import find

BLOCK = 64  # weights that share a scale in nf4
LIBRARIES = {"nf4": "bitsandbytes", "int8": "torchao"}


class Quantised(NamedTuple):
    """What a run says of its quantised base model.

    Args:
        to: of the settings, "nf4" or "int8".
        library: by which, with its version.
        layers: how many weights are quantised.
        dense: the layers that are not, as their inputs are no multiple of 64.
        bytes: that they take, scales included.
        dense_bytes: that they would take in the type of the precision.
        code: Python that makes the `quantization_config` with which stock transformers reads the
            same base model.
    """

    to: str
    library: str
    layers: int
    dense: tuple[str, ...]
    bytes: int
    dense_bytes: int
    code: str

    def __str__(self) -> str:
        return (
            f"base model quantised to {self.to} by {self.library}: {self.layers} linear layers in "
            f"{self.bytes / 1e6:.3g} MB (dense {self.dense_bytes / 1e6:.3g}){self._stay()}"
        )

    def _stay(self) -> str:
        if not self.dense:
            return ""
        some = ", ".join(self.dense[:2]) + (", ..." if len(self.dense) > 2 else "")
        return (
            f"; {len(self.dense)} more stay dense, as their inputs are no multiple of {BLOCK}: "
            f"{some}"
        )


def check(config: Config) -> None:
    """Raise ValueError, before anything is read, where the base model of this run cannot be
    quantised: for want of the library, or as its task's models are not transformers'."""
    to = config.training.quantize
    if to is None:
        return
    if not find(config.data.task).quantises:
        raise ValueError(
            f"quantize does not apply to {config.data.task}, whose models are small or not of "
            "transformers; leave it out"
        )
    if importlib.util.find_spec(LIBRARIES[to]) is None:
        raise ValueError(
            f"quantize {to} needs the package {LIBRARIES[to]}, which is not installed: "
            "pip install 'loralab[quant]'"
        )


def options(config: Config, dense: Collection[str]) -> dict[str, Any]:
    """What `from_pretrained` has to be told, nothing without `quantize`; `dense` are the names of
    the layers that stay as they are."""
    if config.training.quantize is None:
        return {}
    kind, named = _described(config, dense)
    with silence():
        import transformers

        if kind == "TorchAoConfig":
            from torchao.quantization import Int8WeightOnlyConfig

            made = transformers.TorchAoConfig(Int8WeightOnlyConfig(), **named)
        else:
            made = transformers.BitsAndBytesConfig(**named)
    return {"quantization_config": made, "device_map": {"": processes.join().device}}


def _described(config: Config, dense: Collection[str]) -> tuple[str, dict[str, Any]]:
    """The class of transformers' configuration, and its arguments by name."""
    names = sorted(dense)
    if config.training.quantize == "int8":
        return "TorchAoConfig", {"modules_to_not_convert": names}
    return "BitsAndBytesConfig", {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": str(base_dtype(config)).removeprefix("torch."),
        "llm_int8_skip_modules": names,
    }


def kept_dense(config: Config, model: nn.Module, whole: Collection[str]) -> set[str]:
    """The names of the layers that are not quantised: the output head, what is trained whole, and
    for nf4 those whose rows are no whole number of blocks.

    Args:
        config: the run, of whose adapter or PEFT file the modules_to_save count.
        model: as its configuration makes it, without weights.
        whole: further modules that are trained whole.
    """
    saved = tuple(config.adapter.modules_to_save)
    if config.training.peft is not None:
        saved += tuple(peft_settings(config).get("modules_to_save") or ())
    head = _head(model)
    return (
        {*whole}
        | {name for name, module in model.named_modules() if module is head or matches(saved, name)}
        | {*_cannot(config, model)}
    )


def _cannot(config: Config, model: nn.Module) -> tuple[str, ...]:
    """The names of the layers but the output head whose rows are no whole number of blocks."""
    if config.training.quantize != "nf4":
        return ()
    head = _head(model)
    return tuple(
        name
        for name, module in model.named_modules()
        if module is not head and is_dense_linear(module) and shape_of(module)[1] % BLOCK
    )


def _head(model: nn.Module) -> Any:
    return getattr(model, "get_output_embeddings", lambda: None)()


def settle(model: Any, source: str) -> None:
    """Have a model that was read with `options` compute the same in training and in evaluation.
    Raises ValueError where it is not quantised as was wanted."""
    if model.hf_quantizer.pre_quantized:
        raise ValueError(f"the model {source} is quantised already: leave quantize out")
    if not _layers(model):
        raise ValueError(f"the model {source} has no linear layer that can be quantised so")
    four_bits.hold(model)  # it is evaluated before it has adapters


def described(config: Config, model: Any) -> Quantised | None:
    """What there is to say of a run's base model, before it has adapters; None without
    `quantize`."""
    to = config.training.quantize
    if to is None:
        return None
    layers, dtype, made = _layers(model), base_dtype(config), model.hf_quantizer.quantization_config
    kind, named = _described(
        config, getattr(made, "llm_int8_skip_modules" if to == "nf4" else "modules_to_not_convert")
    )
    given = [*["Int8WeightOnlyConfig()"] * (to == "int8")]
    given += [f"{name}={value!r}" for name, value in named.items()]
    library = LIBRARIES[to]
    return Quantised(
        to,
        f"{library} {version(library)}",
        len(layers),
        _cannot(config, model),
        sum(part.nbytes for layer in layers for part in parts(layer.weight)),
        sum(out * in_ for out, in_ in map(shape_of, layers)) * dtype.itemsize,
        f"{kind}({', '.join(given)})",
    )


def _layers(model: nn.Module) -> list[Any]:
    every = ((module, find_base(module)) for module in model.modules())
    return [module for module, base in every if base is not None and base.quantised]


def parts(tensor: Any) -> list[Tensor]:
    """The plain tensors that a parameter is held in: of a quantised one with its scales."""
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        return [part for name in names for part in parts(getattr(tensor, name))]
    found, state = [tensor], getattr(tensor, "quant_state", None)
    while state is not None:
        found.append(state.absmax)
        state = state.state2
    return found


@contextmanager
def trainable(model: nn.Module) -> Iterator[None]:
    """transformers' Trainer takes the model inside the block: of quantised ones it takes those with
    adapters, and knows PEFT's alone."""
    quantised = getattr(model, "is_quantized", False)
    if quantised:
        model._hf_peft_config_loaded = True  # type: ignore[assignment]
    try:
        yield
    finally:
        if quantised:
            del model._hf_peft_config_loaded
