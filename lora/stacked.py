"""K trials at once on one frozen base model: adapters side by side along the batch.

The batch holds the batches of K trials one after another. With x_k the rows of trial k, an adapted
layer computes

    y_k = W x_k + b + s_k L_k R_k x_k,    k = 1 ... K,                                           (1)

where (L_k, R_k) are as in `lora.layer`: W x + b in one product over all rows, the rest in batched
products over k. The trials share the base model, the adapted layers, the ranks and the shape of a
batch. They may differ in all else: data, seed, initialization (its frozen pair too), alpha and
learning rate. Nothing passes from one trial to another, so each is trained as if it were alone.

It saves what a step costs however few tokens it has, so it pays only where a trial has few. The
processor time of a step over that of separate trials, on one core:

    model and batch of a trial            tokens    K = 4    K = 8
    MiniLM, 2 x 32, float32                   64      .76      .70
    SmolLM2-135M, 2 x 128, bfloat16          256      .90
    MiniLM, 16 x 64, float32                1024     1.09

On a GPU, which some thousand tokens fill, it is not measured.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from lora.bases import base_of
from lora.config import Config
from lora.layer import LoRALinear
from lora.model import (
    STACKED,
    adapters,
    attach,
    attached,
    build_layer,
    check_bare,
    detach,
    install,
    replace_modules,
    unmerge,
)
from lora.schemes import Factors
from lora.stacked_layer import StackedLinear

SHARED = ("target_modules", "exclude_modules", "rank", "rank_pattern", "train_a", "train_b", "tie")


@final
class Stack:
    """What `stack` gives. Attributes: `model`, `configs` (one a trial), `layers` (the stacked ones
    by name)."""

    def __init__(
        self,
        model: nn.Module,
        configs: Sequence[Config],
        layers: dict[str, StackedLinear],
        required_grad: dict[str, bool],
    ) -> None:
        self.model, self.configs, self.layers = model, tuple(configs), layers
        self._required_grad = required_grad
        self._put_on()

    def __len__(self) -> int:
        """K."""
        return len(self.configs)

    def parameters(self) -> list[nn.Parameter]:
        """What is trained: of every layer B (K, out, r) and A (K, r, in)."""
        return [p for layer in self.layers.values() for p in (layer.A, layer.B) if p.requires_grad]

    def means(self, losses: Tensor, counted: Tensor | None = None) -> Tensor:
        """The loss (K,) of each trial: the mean of its own.

        Args:
            losses: of each row or token, in the order of the batch, whatever the shape.
            counted: as many truth values, such as `labels != -100`; all count where none are given.

        Its sum is what to differentiate: no trial's gradient then depends on another. The mean over
        the whole batch, which a transformers model gives as its `loss`, weights the trials by their
        tokens.
        """
        rows = losses.reshape(len(self), -1)
        if counted is None:
            return rows.mean(1)
        counts = counted.reshape(len(self), -1)
        return torch.where(counts, rows, 0).sum(1) / counts.sum(1)

    def with_rates(
        self, optimizer: torch.optim.Optimizer, rates: Sequence[float]
    ) -> torch.optim.Optimizer:
        """The same optimizer, each of whose steps is multiplied by the learning rate of the trial.

        Its own `lr` multiplies it too: give it 1.0, or a schedule. That is right for an elementwise
        optimizer with a step proportional to its `lr`, as SGD, Adam and AdamW are. Do not clip by
        torch's `clip_grad_norm_`: the norm is that of all trials.

        Args:
            optimizer: of parameters whose first dimension is K, as `parameters()` are.
            rates: the K learning rates.

        Raises: ValueError where they do not fit.
        """
        if len(rates) != len(self) or not all(0 <= rate < float("inf") for rate in rates):
            wanted = f"{len(self)} trials need as many learning rates, non-negative and finite"
            raise ValueError(f"{wanted}, got {list(rates)}")
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.shape[:1] != (len(self),):
                    raise ValueError(
                        f"a parameter of shape {tuple(p.shape)} has no first dimension of "
                        f"{len(self)}, one for each trial"
                    )
        before: list[tuple[Tensor, Tensor]] = []

        def remember(*_: Any) -> None:
            every = (p for group in optimizer.param_groups for p in group["params"])
            before[:] = [(p, p.detach().clone()) for p in every if p.grad is not None]

        @torch.no_grad()
        def rescale(*_: Any) -> None:
            for p, old in before:
                shape = (-1, *[1] * (p.ndim - 1))
                p.copy_(old.lerp(p, p.new_tensor(rates).view(shape)))
            before.clear()

        optimizer.register_step_pre_hook(remember)
        optimizer.register_step_post_hook(rescale)
        return optimizer

    @contextmanager
    def trial(self, k: int) -> Iterator[nn.Module]:
        """The model with the adapter of trial k alone, as after `lora.attach`, for a moment: to
        evaluate it, or to `lora.save` it. What is trained within is not taken back."""
        self.detach(k)
        try:
            yield self.model
        finally:
            unmerge(self.model)
            detach(self.model)
            self._put_on()

    def detach(self, k: int | None = None) -> None:
        """Take the trials off for good, and give every parameter its former requires_grad; where a
        k is given, leave the model with the adapter of trial k, as `lora.attach` would."""
        if k is not None and not 0 <= k < len(self):
            raise ValueError(f"there are trials 0 to {len(self) - 1}, got {k!r}")
        if STACKED not in vars(self.model):
            raise ValueError("the trials are not on the model")
        delattr(self.model, STACKED)
        replace_modules(self.model, {layer: layer.base_layer for layer in self.layers.values()})
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            parameter.requires_grad_(self._required_grad[name])
        if k is None:
            return
        config, found = self.configs[k], {n: s.base_layer for n, s in self.layers.items()}

        def build(name: str, module: nn.Module) -> LoRALinear:
            layer = self.layers[name]
            frozen = None if layer.B0 is None or layer.A0 is None else (layer.B0[k], layer.A0[k])
            pair = Factors(*frozen) if frozen is not None and bool(frozen[0].any()) else None
            return build_layer(config, name, module, Factors(layer.B[k], layer.A[k]), pair)

        install(self.model, config, found, {}, build)

    def _put_on(self) -> None:
        self.model.requires_grad_(False)
        replace_modules(self.model, {layer.base_layer: layer for layer in self.layers.values()})
        setattr(self.model, STACKED, True)


def stack(model: nn.Module, configs: Sequence[Config], **data: Any) -> Stack:
    """Put K adapters on a model at once, one a trial, in place. On an error it is as before.

        stacked = lora.stack(model, [replace(config, seed=k) for k in range(4)])
        optimizer = torch.optim.AdamW(stacked.parameters(), lr=1.0)
        optimizer = stacked.with_rates(optimizer, [1e-4, 3e-4, 1e-3, 3e-3])
        for ids, labels in batches:                       # (4 b, T): those of trial 0 first
            logits = model(input_ids=ids).logits[:, :-1]
            losses = F.cross_entropy(logits.mT, labels[:, 1:], reduction="none")
            loss = stacked.means(losses, labels[:, 1:] != -100)                        # (4,)
            loss.sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        with stacked.trial(2):
            lora.save(model, folder)

    Args:
        model: the model, without adapters.
        configs: one a trial, of the plain variant and without dropout, with the same target layers
            and ranks.
        data: batches, loss_fn or stats as `lora.attach` takes them, the same for every trial; an
            iterator of batches would be empty after the first.

    Returns: the stack, with the parameters and what one does with them.
    Raises: ValueError as `lora.attach`, and for what trials cannot have or must share.
    """
    check_bare(model)
    _check(model, configs)
    trials: list[dict[str, LoRALinear]] = []
    states = []
    for config in configs:
        attach(model, config, **data)
        trials.append(adapters(model))
        states.append(attached(model))
        detach(model)
    ranks = [{name: layer.rank for name, layer in layers.items()} for layers in trials]
    for k, found in enumerate(ranks):
        if found != ranks[0]:
            raise ValueError(
                f"trials share their layers and ranks, but those of trial {k} are not trial 0's"
            )
    for name, layer in trials[0].items():
        if base_of(layer.base_layer).reads_ids:
            raise ValueError(f"{name} is an embedding, on which trials cannot be stacked")
    stacked = {
        name: StackedLinear(layer.base_layer, [layers[name] for layers in trials]).train(
            layer.training
        )
        for name, layer in trials[0].items()
    }
    return Stack(model, [s.config for s in states], stacked, states[0].required_grad)


def _check(model: nn.Module, configs: Sequence[Config]) -> None:
    """Raise ValueError for what trials cannot have or must share."""
    if not configs:
        raise ValueError("stacked trials need at least one config")
    for k, config in enumerate(configs):
        if not isinstance(config, Config):
            raise ValueError(f"configs must hold lora.Config, got {type(config).__name__}")
        if config.variant != "plain" or config.dropout or config.modules_to_save:
            raise ValueError(
                f"trial {k}: stacked trials are of variant 'plain', without dropout and without "
                "modules_to_save"
            )
        for key in SHARED:
            value, first = getattr(config, key), getattr(configs[0], key)
            if value != first:
                raise ValueError(
                    f"trial {k} has {key}={value!r}, but stacked trials share {first!r}"
                )
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ValueError(f"{name} normalizes over the batch, which would mix stacked trials")
