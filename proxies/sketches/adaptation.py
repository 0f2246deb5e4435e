"""What carries over to the adaptation of a pretrained weight, what a sketch costs, and what released code does."""

import time
from typing import Any

import numpy as np
import torch

from lora import SCHEMES
from proxies.sketches.starts import start
from theory import nystrom_asymmetric as asymmetric
from theory import nystrom_iterations as run
from theory import nystrom_sketch as sketch


def transfer(alignment: float, seed: int) -> dict[str, Any]:
    """A LoRA-shaped problem: fit a rank-4 change D of a 128 x 128 weight from three starts of B, with A = 0.

    D's column space lies in the weight's dominant one with weight `alignment`. At zero the gradient is -D.
    """
    rng = np.random.default_rng(seed)
    P = run.orthonormal(128, 16, rng)
    W = (P * np.geomspace(10, 3, 16)) @ run.orthonormal(128, 16, rng).T + 0.02 * rng.standard_normal((128, 128))
    mix = np.sqrt(alignment) * P[:, :4] + np.sqrt(1 - alignment) * run.orthonormal(128, 4, rng)
    D = (np.linalg.qr(mix).Q * [1, 0.5, 0.25, 0.1]) @ run.orthonormal(128, 4, rng).T
    starts = {"random": rng.standard_normal((128, 4)), "weight": start(W, 4, seed), "gradient": start(-D, 4, seed)}
    result: dict[str, Any] = {}
    for name, X in starts.items():
        errors = run.errors(D, run.zero_product_run(D, X, 0.5, 4), 100, 1e-10)
        law = asymmetric.first_step_error(D, X, 0.5)
        result[name] = {"steps": run.first_below(errors, 1e-10), "first": errors[1], "law": law, "errors": errors}
    return result


def scale_exponents(rows: int, columns: int, rank: int, seed: int) -> dict[str, float]:
    """Exponent in xi of the first change of a weight from the NoRA start, fitted over seven xi from 1e-3 to 1e3."""
    rng = np.random.default_rng(seed)
    W, G = rng.standard_normal((rows, columns)), rng.standard_normal((rows, columns))
    xis = np.geomspace(1e-3, 1e3, 7)
    sizes: dict[str, list[float]] = {name: [] for name in sketch.FIRST_CHANGES}
    for xi in xis:
        rng_torch = torch.Generator().manual_seed(seed)
        A = SCHEMES["nystrom"](torch.from_numpy(W), rank, rng_torch, side="in", xi=float(xi)).A.numpy()
        for name, change in sketch.FIRST_CHANGES.items():
            sizes[name].append(float(np.linalg.norm(change(G, A))))
    return {name: float(np.polyfit(np.log(xis), np.log(size), 1)[0]) for name, size in sizes.items()}


def factorisation_cost(size: int, rank: int, seed: int, repeats: int) -> dict[str, Any]:
    """Quality of the randomised decomposition of a spiked weight, and times side by side, in float32 as in practice.

    Times are the processor's, not the wall's, so that another process on the machine does not change the verdict."""
    rng = np.random.default_rng(seed)
    W = sketch.spiked_weight(size, rng).astype(np.float32)
    exact, fast, times = None, None, []
    for _ in range(repeats):
        clock = [time.process_time()]
        exact = np.linalg.svd(W, full_matrices=False)
        clock.append(time.process_time())
        fast = sketch.randomized_svd(W, rank, 3 * rank, 4, rng)
        clock.append(time.process_time())
        for _ in range(10):
            SCHEMES["nystrom"](torch.from_numpy(W), rank, torch.Generator().manual_seed(seed))
        clock.append(time.process_time())
        times.append(np.diff(clock))
    assert exact is not None
    assert fast is not None
    full, randomised, ten_sketches = np.transpose(times)
    cosines = np.linalg.svd(exact[0][:, :rank].T @ fast[0], compute_uv=False)
    return {
        "value_error": float(np.abs(fast[1] / exact[1][:rank] - 1).max()),
        "mean_cos2": float((cosines**2).mean()),
        "over_randomised": (full / randomised).tolist(),
        "over_sketch": (full / (ten_sketches / 10)).tolist(),
    }


def released_implementations(seeds: list[int]) -> dict[str, list[float]]:
    """What PEFT's and NoRA's released code does where the published start is known, seed by seed."""
    try:
        from peft import LoraConfig, get_peft_model
        from peft.tuners.lora import LoraGAConfig
        from peft.tuners.lora.loraga import preprocess_loraga
    except ImportError as error:
        raise ImportError("Claim N14 needs PEFT: pip install 'loralab[llm]', or pass --no-peft.") from error

    def model(W: torch.Tensor) -> Any:
        layer = torch.nn.Linear(96, 64, bias=False)
        layer.weight.data.copy_(W)
        return torch.nn.Sequential(layer)

    def lora_ga_size(loss_scale: float) -> float:
        plain = model(W)
        start: Any = "lora_ga"  # a value that PEFT's annotation of the argument forgets
        config = LoraConfig(r=8, target_modules=["0"], init_lora_weights=start, lora_ga_config=LoraGAConfig())
        preprocess_loraga(plain, config, lambda: (loss_scale * (plain(inputs) - outputs).square().mean()).backward())
        return float(_layer(get_peft_model(plain, config)).lora_B["default"].weight.detach().norm())

    found: dict[str, list[float]] = {"lora_ga": [], "olora": [], "nora": []}
    for seed in seeds:
        rng = torch.Generator().manual_seed(seed)
        W, inputs, outputs = (torch.randn(*shape, generator=rng) for shape in ((64, 96), (256, 96), (256, 64)))
        inputs.requires_grad_()  # PEFT's backward hook warns where no input needs a gradient
        found["lora_ga"].append(float(np.log10(lora_ga_size(10.0) / lora_ga_size(1.0))))
        olora = LoraConfig(r=8, lora_alpha=16, target_modules=["0"], init_lora_weights="olora")
        residual = _layer(get_peft_model(model(W), olora)).get_base_layer().weight.detach()
        found["olora"].append(float(residual.norm() / W.norm()))
        sketched = model(W)[0]
        sketched.data = torch.randn(64, 96, generator=rng)  # as released: to the module, not to its weight
        found["nora"].append(float((sketched.weight.detach() - W).norm() / W.norm()))
    return found


def _layer(peft_model: Any) -> Any:
    return peft_model.base_model.model[0]
