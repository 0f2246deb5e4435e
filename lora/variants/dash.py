"""LoRA-Dash: after some plain training, scale the singular directions of W that it changes most
(arXiv:2409.01035).

With W = sum_i sigma_i u_i v_i^T, the update dW = s (B A - B0 A0) has changed direction i at the
change rate

    delta_i = |u_i^T dW v_i| / (sigma_i + eps sigma_1),    eps = 1e-6 (the paper's is unknown),  (1)

and from the launch on (the end of the paper's pre-launch) the layer is

    y = W x + b + dW x + sum over the chosen k of d_k u_k v_k^T x,                               (2)

without the scale s, and with d = 0 at the launch. Your training loop launches, once; nothing counts
steps or forwards, and the choice is never made again. d is a parameter from the beginning, so
optimisers built before the launch hold it, and the directions are buffers, so a checkpoint has
them. Before the launch they are zero, which leaves d without effect and with a gradient of zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lora.bases import weight_of
from lora.layer import Kind
from lora.parts import Parts
from lora.variants.factored import FactoredLinear

EPS = 1e-6


@dataclass(frozen=True)
class DashOptions:
    """`directions` is the number of singular directions that are scaled."""

    directions: int = 8

    def __post_init__(self) -> None:
        if type(self.directions) is not int or self.directions < 1:
            raise ValueError(f"directions must be a positive integer, got {self.directions!r}")


class DashLinear(FactoredLinear):
    """The common base. Attributes besides those of every layer: `d` (k,), trained; `U` (out, k),
    `Vt` (k, in) and `chosen` (k,), the indices into W's singular values in falling order, -1 before
    the launch."""

    Options = DashOptions
    U: Tensor
    Vt: Tensor
    chosen: Tensor

    @classmethod
    def check_shape(cls, options: DashOptions, shape: tuple[int, int]) -> None:
        if options.directions > min(shape):
            raise ValueError(
                f"directions must be at most min(out, in) = {min(shape)}, got {options.directions}"
            )

    def __init__(
        self,
        base_layer: nn.Module,
        *settings: Any,
        options: DashOptions = DashOptions(),
        **more: Any,
    ) -> None:
        super().__init__(base_layer, *settings, **more)
        self.check_shape(options, (self.out_features, self.in_features))
        k = options.directions
        self.d = nn.Parameter(self.B.new_zeros(k))
        self.register_buffer("U", self.B.new_zeros(self.out_features, k))
        self.register_buffer("Vt", self.A.new_zeros(k, self.in_features))
        self.register_buffer("chosen", torch.full((k,), -1, device=self.B.device))

    def parts(self) -> Parts:
        return Parts(self.B, self.A, (self.U * (self.d / self.scale), self.Vt))

    def trained(self) -> Iterator[tuple[Kind, nn.Parameter]]:
        yield from super().trained()
        yield "directions", self.d

    @torch.no_grad()
    def choice(self) -> tuple[Tensor, Tensor, Tensor]:
        """(U, Vt, indices) of the directions with the highest change rates (1), highest first; the
        layer is not changed.

        Raises ValueError where there is nothing to choose by, or the choice was made.
        """
        if int(self.chosen[0]) >= 0:
            raise ValueError("it was launched already, and the directions are chosen once")
        if self.merged:
            raise ValueError("it is merged; call lora.unmerge(model) first")
        W = weight_of(self.base_layer).to(self.B.dtype)
        U, S, Vt = torch.linalg.svd(W, full_matrices=False)
        L, R = self.update()
        rates = change_rates(U, S, Vt, self.scale * L, R)
        if not rates.any():
            raise ValueError("its update is still zero: launch after some steps of training")
        indices = rates.argsort(descending=True, stable=True)[: len(self.d)]
        return U[:, indices], Vt[indices], indices

    @torch.no_grad()
    def launch(self, U: Tensor, Vt: Tensor, indices: Tensor) -> None:
        """Take over what `choice` gave. The function stays as it is, since d = 0."""
        self.d.zero_()
        for buffer, value in ((self.U, U), (self.Vt, Vt), (self.chosen, indices)):
            buffer.copy_(value)


@final
class Dash(DashLinear):
    """(2) on any scheme."""


@final
class Tsd(DashLinear):
    """LoRA-TSD: (2) with factors that are initialized to task-specific directions themselves, by
    the scheme `tsd_init`."""

    @classmethod
    def check(cls, options: DashOptions, scheme: str, train_a: bool, train_b: bool) -> None:
        if scheme != "tsd_init":
            raise ValueError(
                f"variant 'tsd' is 'dash' on the scheme 'tsd_init', got scheme {scheme!r}"
            )


def change_rates(U: Tensor, S: Tensor, Vt: Tensor, L: Tensor, R: Tensor) -> Tensor:
    """(1) for dW = L R and W = U diag(S) Vt, without forming dW; 0 throughout where W = 0."""
    change = ((U.mT @ L) * (R @ Vt.mT).mT).sum(1).abs()
    return torch.where(S[0] > 0, change / (S + EPS * S[0]).clamp_min(torch.finfo(S.dtype).tiny), 0)


def launch(model: nn.Module, optimizer: Optimizer | None = None) -> dict[str, Tensor]:
    """Choose the directions of every `dash` or `tsd` layer and begin to train their scales, in
    place.

    Call it once, after the steps of plain training by which the directions are chosen (100 in the
    paper).

    Args:
        model: a model with `dash` or `tsd` layers.
        optimizer: its state of the scales (moments and a count of steps) is reset where it is
            given.

    Returns: by layer name, the chosen indices into the weight's singular values.
    Raises: ValueError naming the layer, before any change.
    """
    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, DashLinear)
    }
    if not layers:
        raise ValueError("the model has no layer to launch; attach variant 'dash' or 'tsd' first")
    choices = {}
    for name, layer in layers.items():
        try:
            choices[name] = layer.choice()
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    for name, layer in layers.items():
        layer.launch(*choices[name])
        if optimizer is not None:
            optimizer.state.pop(layer.d, None)
    return {name: indices for name, (_, _, indices) in choices.items()}
