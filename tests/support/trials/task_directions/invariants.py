"""What must be true of every draw: an initialization and a launch change nothing, merging and
exporting keep the function."""

import tempfile

import numpy as np
import torch
from torch import Generator, Tensor, nn

import lora
from lora.variants.dash import DashLinear
from proxies.families.task_directions.trials.directions import as_statistics
from theory.task_directions import Array, core, rates
from theory.task_directions.null import haar

RANK, DIRECTIONS = 2, 3


def weight(seed: int) -> tuple[Array, Array, np.random.Generator]:
    """W with singular values i/n, whose gaps make its directions well-posed, and a random change of
    it."""
    rng = np.random.default_rng(seed)
    out, in_ = (int(size) for size in rng.integers(DIRECTIONS + 1, 41, 2))
    n = min(out, in_)
    W = (haar(out, n, rng) * np.arange(n, 0, -1) / n) @ haar(in_, n, rng).T
    return W, rng.standard_normal((out, in_)), rng


def adapted(W: Array, variant: str, D: Array, seed: int) -> tuple[nn.Sequential, DashLinear]:
    layer = nn.utils.skip_init(nn.Linear, W.shape[1], W.shape[0], bias=False, dtype=torch.float64)
    layer.weight = nn.Parameter(torch.from_numpy(W.copy()))
    model = nn.Sequential(layer)
    scheme, stats = (
        ("tsd_init", as_statistics({"0": torch.from_numpy(D)}))
        if variant == "tsd"
        else ("init_a", None)
    )
    settings = lora.Config(
        rank=RANK,
        alpha=7.0,
        target_modules=("0",),
        variant=variant,
        scheme=scheme,
        seed=seed,
        variant_options={"directions": DIRECTIONS},
    )
    lora.attach(model, settings, stats=stats)
    found = model[0]
    assert isinstance(found, DashLinear)
    return model, found


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def invariants(variant: str, seed: int) -> dict[str, float]:
    """Relative errors, in float64: of the function as initialized, at the launch, merged and
    exported; of the gradient in d against u^T G v; of the change rates under W -> Q W P, D -> Q D P
    with orthogonal Q and P; and whether the rates of a weight of deficient rank are finite."""
    W, D, rng = weight(seed)
    model, layer = adapted(W, variant, D, seed)
    draw = Generator().manual_seed(seed)
    x = torch.randn(10, W.shape[1], generator=draw, dtype=torch.float64)
    with torch.no_grad():
        initialization = apart(model(x), x @ torch.from_numpy(W).mT)
        for factor in (layer.get_parameter("A"), layer.get_parameter("B")):
            factor.add_(torch.randn(factor.shape, generator=draw, dtype=torch.float64))
        before = model(x)
        lora.launch(model)
        launch = apart(model(x), before)
    G = torch.from_numpy(D)
    (model(torch.eye(W.shape[1], dtype=torch.float64)) * G.mT).sum().backward()
    assert layer.d.grad is not None
    gradient = apart(layer.d.grad, ((layer.U.mT @ G) * layer.Vt).sum(1))
    with torch.no_grad():
        layer.d.copy_(torch.randn(DIRECTIONS, generator=draw, dtype=torch.float64))
        after = model(x)
        lora.merge(model)
        merged = apart(model(x), after)
        lora.unmerge(model)
        exported = apart(_exported(model, W, x), after)
    Q, P = (haar(size, size, rng) for size in W.shape)
    own = rates(core(W), D)
    deficient = W.copy()
    deficient[:, : W.shape[1] // 2 + 1] = 0
    return {
        "initialization": initialization,
        "launch": launch,
        "gradient": gradient,
        "merged": merged,
        "exported": exported,
        "rotated": float(np.abs(rates(core(Q @ W @ P), Q @ D @ P) - own).max() / own.max()),
        "finite": float(np.isfinite(rates(core(deficient), D)).all()),
    }


def _exported(model: nn.Module, W: Array, x: Tensor) -> Tensor:
    """The function of the saved adapter, read as a plain LoRA onto the weight as it was."""
    again = nn.Sequential(
        nn.utils.skip_init(nn.Linear, W.shape[1], W.shape[0], bias=False, dtype=torch.float64)
    )
    again[0].weight = nn.Parameter(torch.from_numpy(W.copy()))
    with tempfile.TemporaryDirectory() as folder:
        lora.save(model, folder)
        lora.load(again, folder)
    return again(x)
