"""How the learning rate that a generator network makes of the nominal one moves through a training
of OP-LoRA on a language model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lora.variants.hypernetwork import HyperNetwork
from scaling.core.config import Config
from scaling.studies.trials.adapters import NOTHING


class Watched:
    """What one generator network does, step by step."""

    def __init__(self) -> None:
        self.factor: list[float] = []
        self.agreement: list[float] = []
        self.before: dict[str, Tensor] = {}

    @torch.no_grad()
    def note(self, network: HyperNetwork) -> None:
        """Before a step: the gradient of a head's bias is that of the values that it makes."""
        values = network()
        self.factor.append(1 + network.hidden().abs().sum().item())
        if self.before:
            self.agreement.append(
                -sum(
                    torch.dot((value - self.before[name]).flatten(), grad.flatten()).item()
                    for name, value in values.items()
                    if (grad := network.head(name).bias.grad) is not None
                )
            )
        self.before = values


@contextmanager
def watched() -> Iterator[dict[nn.Module, Watched]]:
    """The generator networks that are trained within, each as it is before every step."""
    seen: dict[nn.Module, Watched] = {}

    def found(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, HyperNetwork) and torch.is_grad_enabled():
            seen.setdefault(module, Watched())

    def stepping(*_: Any) -> None:
        for module, one in seen.items():
            assert isinstance(module, HyperNetwork)
            one.note(module)

    hooks = register_module_forward_pre_hook(found), register_optimizer_step_pre_hook(stepping)
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def effective_rates(settings: dict[str, Any], peft: None) -> dict[str, list[list[float]]]:
    """By layer and step of a run of OP-LoRA: "factor", 1 + |h|_1, and from the second step on
    "agreement", -(theta_t - theta_(t-1)) . g_t: positive where the gradient g at the generated
    factors theta asks for more of their last change.

    Args:
        settings: those of the run.
        peft: nothing; every trial of a sweep has this argument.
    """
    from scaling.training.running import train  # transformers, which takes seconds to load

    own = settings | {"validate_every": None, "limit": 1, "remember": NOTHING}
    with TemporaryDirectory() as temporary, watched() as seen:
        train(Config.of(**own), Path(temporary), lambda: None, judge_base=False)
    return {
        "factor": [one.factor for one in seen.values()],
        "agreement": [one.agreement for one in seen.values()],
    }
