"""What training changes in a model, as one safetensors file: enough to rebuild the adapted model
from its base model.

It is the state of `lora.state` with the config as `attach` resolved it, ranks included: a
data-driven initialization is read back and never computed again.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

import lora
import lora.state
from lora.bases import shape_of
from lora.layer import LoRALinear
from lora.model import attached, build_layer, install
from lora.schemes import Factors
from lora.targets import targets
from scaling.core.outputs import Damaged

# on a model that has no adapters of ours, the names of the tensors that are trained in their place
NAMED = "_scaling_trained"
FILE, BEST = "training_state.safetensors", "best_state.safetensors"
Layer = tuple[nn.Module, Factors, Factors | None, float]


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor of the adapters but their bases', and of the modules_to_save, by its name in the
    model."""
    if (names := vars(model).get(NAMED)) is not None:
        every = dict(model.named_buffers()) | dict(model.named_parameters())
        return {name: every[name].detach() for name in names}
    return lora.state.trained_state(model)


def kept(model: nn.Module) -> dict[str, Tensor]:
    """A copy of `trained_state`, in the memory of the processor: of full fine-tuning it is as large
    as the model."""
    return {key: value.detach().to("cpu", copy=True) for key, value in trained_state(model).items()}


def put(model: nn.Module, state: dict[str, Tensor]) -> None:
    """The inverse of `trained_state` on a model of the same adapters; raises ValueError, before any
    change, where a name or a shape differs."""
    lora.state.put(trained_state(model), state)


def first_bad(model: nn.Module) -> str | None:
    """The first tensor of `trained_state` that holds NaN or infinity."""
    return next(
        (key for key, value in trained_state(model).items() if not value.isfinite().all()), None
    )


def write(model: nn.Module, folder: Path, best: dict[str, Tensor] | None = None) -> None:
    """The state as it is and, where there is one, the best so far."""
    ours = NAMED not in vars(model)
    about = {"config": attached(model).config.to_json()} if ours else {}
    for name, tensors in ((FILE, trained_state(model)), (BEST, best)):
        if tensors is not None:
            lora.state.write(folder / name, tensors, about)


def read(folder: Path, name: str = FILE) -> tuple[lora.Config | None, dict[str, Tensor]]:
    """The resolved config, where adapters of this library have one, and the tensors; raises
    `Damaged` for a file that is none any more."""
    try:
        with safe_open(folder / name, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            about = file.metadata().get("config")
            return None if about is None else lora.Config.from_json(about), tensors
    except (OSError, SafetensorError, AttributeError, TypeError, ValueError) as error:
        raise Damaged(folder / name, error) from error


def read_best(folder: Path) -> dict[str, Tensor] | None:
    """The best state that a checkpoint holds, if it does."""
    return read(folder, BEST)[1] if (folder / BEST).is_file() else None


def rebuild(model: nn.Module, folder: Path) -> lora.Report:
    """Put the adapters of a checkpoint on the base model, without any data."""
    config, state = read(folder)
    if config is None:
        raise Damaged(folder / FILE, "it has no 'config'")

    def build(name: str, module: nn.Module) -> LoRALinear:
        (out, in_), rank = shape_of(module), config.rank_of(name)
        pair = Factors(state[f"{name}.B0"], state[f"{name}.A0"]) if f"{name}.B0" in state else None
        empty = Factors(torch.zeros(out, rank), torch.zeros(rank, in_))
        return build_layer(config, name, module, empty, pair)

    report = install(model, config, *targets(model, config), build)
    put(model, state)
    return report
