"""What carries over to the adaptation of a pretrained weight, what a sketch costs, and what
released code does."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from lora import SCHEMES
from proxies.families.nystrom.trials.problem import EPS, initial
from theory.nystrom import asymmetric, sketch
from theory.nystrom import iterations as run


def transfer(alignment: float, rows: int, columns: int, seed: int) -> dict[str, Any]:
    """A LoRA-shaped problem: fit a rank-4 change D of a weight from three initializations of B,
    with A = 0.

    W has 16 singular values from 10 to 3 and noise of entries N(0, 0.02^2), D the singular values
    1, 0.5, 0.25 and 0.1. D's column space lies in the dominant one of W with weight `alignment`. At
    zero the gradient is -D.
    """
    rng = np.random.default_rng(seed)
    P = run.orthonormal(rows, 16, rng)
    W = (P * np.geomspace(10, 3, 16)) @ run.orthonormal(
        columns, 16, rng
    ).T + 0.02 * rng.standard_normal((rows, columns))
    mix = np.sqrt(alignment) * P[:, :4] + np.sqrt(1 - alignment) * run.orthonormal(rows, 4, rng)
    U = np.linalg.qr(mix).Q
    D = (U * [1, 0.5, 0.25, 0.1]) @ run.orthonormal(columns, 4, rng).T
    factors = {
        "random": rng.standard_normal((rows, 4)),
        "weight": initial(W, 4, seed),
        "gradient": initial(-D, 4, seed),
    }
    result: dict[str, Any] = {}
    for name, X_0 in factors.items():
        errors = run.errors(D, run.zero_product_run(D, X_0, 0.5, 4), 100, 1e-10)
        outside = np.array(
            [
                np.linalg.norm(X - U @ (U.T @ X))
                for X, _ in itertools.islice(run.zero_product_run(D, X_0, 0.5, 4), len(errors))
            ]
        )
        law = outside[0] * asymmetric.outside_law(0.5, len(errors) - 1)
        _, Y_1 = run.first_step(D, X_0, 0.5, 4)
        unit = EPS * run.condition_number(X_0, 4) * run.condition_number(Y_1, 4)
        result[name] = {
            "steps": run.first_below(errors, 1e-10),
            "first": errors[1],
            "law": asymmetric.first_step_error(D, X_0, 0.5),
            "outside": float(np.abs(outside - law).max() / np.linalg.norm(X_0)) / unit,
            "errors": errors,
        }
    return result


def scale_exponents(rows: int, columns: int, rank: int, seed: int) -> dict[str, float]:
    """Exponent in xi of the first change of a weight from NoRA, fitted over seven xi from
    1e-3 to 1e3."""
    rng = np.random.default_rng(seed)
    W, G = rng.standard_normal((rows, columns)), rng.standard_normal((rows, columns))
    xis = np.geomspace(1e-3, 1e3, 7)
    sizes: dict[str, list[float]] = {name: [] for name in sketch.FIRST_CHANGES}
    for xi in xis:
        rng_torch = Generator().manual_seed(seed)
        A = SCHEMES["nystrom"](
            torch.from_numpy(W), rank, rng_torch, side="in", xi=float(xi)
        ).A.numpy()
        for name, change in sketch.FIRST_CHANGES.items():
            sizes[name].append(float(np.linalg.norm(change(G, A))))
    return {
        name: float(np.polyfit(np.log(xis), np.log(size), 1)[0]) for name, size in sizes.items()
    }


def factorisation_cost(size: int, rank: int, seed: int) -> dict[str, float]:
    """Quality of the randomised decomposition of a spiked weight, and times side by side, in
    float32 as in practice: every method once, right after each other.

    Times are the processor's, not the wall's, so that another process on the machine does not
    change the verdict.
    """
    rng = np.random.default_rng(seed)
    W = sketch.spiked_weight(size, rng).astype(np.float32)
    full, (U, s, _) = _timed(lambda: np.linalg.svd(W, full_matrices=False))
    randomised, (U_fast, s_fast, _) = _timed(
        lambda: sketch.randomized_svd(W, rank, 3 * rank, 4, rng)
    )
    ten_sketches, _ = _timed(
        lambda: [SCHEMES["nystrom"](torch.from_numpy(W), rank) for _ in range(10)]
    )
    cosines = np.linalg.svd(U[:, :rank].T @ U_fast, compute_uv=False)
    return {
        "value_error": float(np.abs(s_fast / s[:rank] - 1).max()),
        "mean_cos2": float((cosines**2).mean()),
        "over_randomised": full / randomised,
        "over_sketch": full / (ten_sketches / 10),
    }


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def released_implementations(seed: int) -> dict[str, float]:
    """What PEFT, as installed, does where the published initialization is known."""
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Claim N14 needs PEFT: pip install 'loralab[llm]', or pass --no-peft."
        ) from error
    return {
        "lora_ga": _lora_ga_exponent(Generator().manual_seed(seed)),
        "olora": _olora_left(Generator().manual_seed(seed)),
    }


def _model(W: Tensor) -> Any:
    layer = torch.nn.Linear(W.shape[1], W.shape[0], bias=False)
    layer.weight.data.copy_(W)
    return torch.nn.Sequential(layer)


def _lora_ga_exponent(rng: Generator) -> float:
    """The exponent of |B| in the scale of the loss; the published initialization is free of it."""
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraGAConfig
    from peft.tuners.lora.loraga import preprocess_loraga

    W, inputs, outputs = (
        torch.randn(*shape, generator=rng) for shape in ((64, 96), (256, 96), (256, 64))
    )
    inputs.requires_grad_()  # PEFT's backward hook warns where no input needs a gradient
    scheme: Any = "lora_ga"  # a value that PEFT's annotation of the argument forgets

    def size(loss_scale: float) -> float:
        model = _model(W)
        config = LoraConfig(
            r=8, target_modules=["0"], init_lora_weights=scheme, lora_ga_config=LoraGAConfig()
        )
        preprocess_loraga(
            model,
            config,
            lambda: (loss_scale * (model(inputs) - outputs).square().mean()).backward(),
        )
        layer: Any = get_peft_model(model, config).base_model.model[0]  # type: ignore[index]
        return float(layer.lora_B["default"].weight.detach().norm())

    return float(np.log10(size(10.0) / size(1.0)))


def _olora_left(rng: Generator) -> float:
    """The share of W in the adapter's column space, |B^T W'| / |B^T W|, that is left in PEFT's base
    weight W' at s = 2."""
    from peft import LoraConfig, get_peft_model

    W = torch.randn(64, 96, generator=rng)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["0"], init_lora_weights="olora")
    layer: Any = get_peft_model(_model(W), config).base_model.model[0]  # type: ignore[index]
    B = layer.lora_B["default"].weight.detach()
    return float((B.T @ layer.get_base_layer().weight.detach()).norm() / (B.T @ W).norm())
