"""What carries over to the adaptation of a pretrained weight, what a sketch costs, and what
released code does."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from lora import SCHEMES
from proxies.families.nystrom.trials.problem import initial
from theory.nystrom import asymmetric, sketch
from theory.nystrom import iterations as run


def transfer(alignment: float, seed: int) -> dict[str, Any]:
    """A LoRA-shaped problem: fit a rank-4 change D of a 128 x 128 weight from three
    initializations of B, with A = 0.

    D's column space lies in the weight's dominant one with weight `alignment`. At zero the gradient
    is -D.
    """
    rng = np.random.default_rng(seed)
    P = run.orthonormal(128, 16, rng)
    W = (P * np.geomspace(10, 3, 16)) @ run.orthonormal(
        128, 16, rng
    ).T + 0.02 * rng.standard_normal((128, 128))
    mix = np.sqrt(alignment) * P[:, :4] + np.sqrt(1 - alignment) * run.orthonormal(128, 4, rng)
    D = (np.linalg.qr(mix).Q * [1, 0.5, 0.25, 0.1]) @ run.orthonormal(128, 4, rng).T
    factors = {
        "random": rng.standard_normal((128, 4)),
        "weight": initial(W, 4, seed),
        "gradient": initial(-D, 4, seed),
    }
    result: dict[str, Any] = {}
    for name, X in factors.items():
        errors = run.errors(D, run.zero_product_run(D, X, 0.5, 4), 100, 1e-10)
        law = asymmetric.first_step_error(D, X, 0.5)
        result[name] = {
            "steps": run.first_below(errors, 1e-10),
            "first": errors[1],
            "law": law,
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


def factorisation_cost(size: int, rank: int, seed: int, repeats: int) -> dict[str, list[float]]:
    """Quality of the randomised decomposition of a spiked weight, and times side by side, in
    float32 as in practice.

    Times are the processor's, not the wall's, so that another process on the machine does not
    change the verdict.
    """
    rng = np.random.default_rng(seed)
    W = sketch.spiked_weight(size, rng).astype(np.float32)
    rounds = [_factorise(W, rank, rng) for _ in range(repeats)]
    return {name: [one[name] for one in rounds] for name in rounds[0]}


def _factorise(W: np.ndarray, rank: int, rng: np.random.Generator) -> dict[str, float]:
    """Every method once, right after each other."""
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


def released_implementations(seeds: list[int]) -> dict[str, list[float]]:
    """What PEFT's and NoRA's released code does where the published initialization is
    known, seed by seed."""
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Claim N14 needs PEFT: pip install 'loralab[llm]', or pass --no-peft."
        ) from error
    measures = {"lora_ga": _lora_ga_exponent, "olora": _olora_residual, "nora": _nora_change}
    return {
        name: [measure(Generator().manual_seed(s)) for s in seeds]
        for name, measure in measures.items()
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


def _olora_residual(rng: Generator) -> float:
    """|W - s B A| / |W| at s = 2, with W - s B A what PEFT leaves in the base layer."""
    from peft import LoraConfig, get_peft_model

    W = torch.randn(64, 96, generator=rng)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["0"], init_lora_weights="olora")
    layer: Any = get_peft_model(_model(W), config).base_model.model[0]  # type: ignore[index]
    return float(layer.get_base_layer().weight.detach().norm() / W.norm())


def _nora_change(rng: Generator) -> float:
    """How far the released line that sets the sketch moves the layer: it assigns to the module, not
    to its weight."""
    W = torch.randn(64, 96, generator=rng)
    layer = _model(W)[0]
    layer.data = torch.randn(64, 96, generator=rng)
    return float((layer.weight.detach() - W).norm() / W.norm())
