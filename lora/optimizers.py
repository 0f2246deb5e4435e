"""Optimisers that precondition each factor's gradient by the other factor.

With g_A = dL/dA and g_B = dL/dB, a step moves along

    (B^T B + d I)^-1 g_A    and    g_B (A A^T + e I)^-1,                                         (1)

which for plain gradient descent and d = e = 0 changes the weight, to first order, by -lr s^2 (P_B G
+ G P_A): P_B and P_A project on range(B) and on the row space of A, G is the gradient of the
weight. So the step does not depend on how the product B A is split, nor on the scale of the initial
factors.
Riemannian / scaled gradient descent: arXiv:2402.02347 (for SGD and inside AdamW); with `normalize`
each preconditioner is divided by its Frobenius norm: NoRA+, arXiv:2410.18965.

Damping is relative, d = damping tr(B^T B) / r, so that it means the same at every scale of the
factors; an absolute one is all of (1) while B is small. At B = 0 there is nothing to precondition
by: g_A is zero there and stays so.

Preconditioning happens once for each optimiser step, on the gradient that has been accumulated
until then, and leaves `.grad` as it was.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lora.groups import param_groups
from lora.layer import LoRALinear
from lora.model import adapters
from lora.variants.factored import FactoredLinear


class _Scaled(torch.optim.Optimizer):
    """An optimiser of torch whose steps use (1) instead of the factors' gradients.

    Parameters other than the factors (modules_to_save) get the plain optimiser.

    Args:
        model: a model with adapters.
        lr: the learning rate.
        ratio: lr_B / lr_A, as for `lora.param_groups`.
        weight_decay: as for `lora.param_groups`.
        damping: relative, d = damping tr(B^T B) / r.
        normalize: divide each preconditioner by its Frobenius norm.
        options: for the torch optimiser.

    Raises: ValueError for a damping that is not positive, for a variant whose factors are
        generated, and for a step with a closure, whose gradients would come too late.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float,
        ratio: float = 1.0,
        weight_decay: float = 0.0,
        damping: float = 1e-6,
        normalize: bool = False,
        **options: Any,
    ) -> None:
        if not 0 < damping < float("inf"):
            raise ValueError(f"damping must be positive and finite, got {damping!r}")
        super().__init__(param_groups(model, lr, ratio, weight_decay), lr=lr, **options)  # type: ignore[call-arg]
        pairs = [_factors(name, layer) for name, layer in adapters(model).items()]
        gradients: dict[nn.Parameter, Tensor | None] = {}

        @torch.no_grad()
        def before(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            if any(argument is not None for argument in (*arguments[1:], *named.values())):
                raise ValueError(
                    "a step with a closure is not supported: compute the gradients before the step"
                )
            for B, A in pairs:
                for factor, direction in directions(B, A, damping, normalize):
                    gradients[factor], factor.grad = factor.grad, direction

        def after(*_: Any) -> None:
            for factor, gradient in gradients.items():
                factor.grad = gradient
            gradients.clear()

        self.register_step_pre_hook(before)
        self.register_step_post_hook(after)


def _factors(name: str, layer: LoRALinear) -> tuple[nn.Parameter, nn.Parameter]:
    if not isinstance(layer, FactoredLinear):
        raise ValueError(
            f"{name}: the factors of {type(layer).__name__} are generated, and cannot be "
            "preconditioned"
        )
    return layer.get_parameter("B"), layer.get_parameter("A")


def directions(
    B: nn.Parameter, A: nn.Parameter, damping: float, normalize: bool
) -> list[tuple[nn.Parameter, Tensor]]:
    """Each factor that has a gradient, with (1) in its place; a factor whose partner is zero is
    left out."""
    found = []
    if A.grad is not None and B.any():
        found.append((A, _solved(B.mT @ B, A.grad, damping, normalize)))
    if B.grad is not None and A.any():
        found.append((B, _solved(A @ A.mT, B.grad.mT, damping, normalize).mT))
    return found


def _solved(gram: Tensor, g: Tensor, damping: float, normalize: bool) -> Tensor:
    """(gram + d I)^-1 g for gram (r, r) and g (r, n), divided by the inverse's Frobenius norm where
    asked for."""
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    factor = torch.linalg.cholesky(gram + damping * gram.trace() / len(gram) * eye)
    solved = torch.cholesky_solve(g, factor)
    return solved / torch.cholesky_solve(eye, factor).norm() if normalize else solved


class ScaledSGD(_Scaled, torch.optim.SGD):
    """Scaled (Riemannian) gradient descent: invariant to how the product B A is split between the
    factors."""


class ScaledAdamW(_Scaled, torch.optim.AdamW):
    """AdamW on preconditioned gradients; with `normalize=True` this is NoRA+.

    Its second moment is entrywise, so it is not invariant to how B A is split.
    """


OPTIMIZERS = {"scaled_sgd": ScaledSGD, "scaled_adamw": ScaledAdamW}
