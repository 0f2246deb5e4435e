"""Where PEFT's EVA goes wrong: scales after ranks have moved, whitening of shared inputs, masked
batches, a stream without end."""

import warnings
from typing import Any

import torch

import lora
from proxies.families.gradient_signal.trials.llamas import (
    PARTS,
    SMALL,
    Batch,
    Endless,
    layers_of,
    llama,
    masked,
    peft_rows,
    text,
)


def peft_defects(seed: int) -> dict[str, float]:
    """PEFT's largest rank-stabilised scale after ranks have moved over the one asked for; the norm
    of a whitened row of q over that of the same row whitened once; the layers that get rows of
    another width after a masked first batch; and the forward passes that it asks for at tau = 1
    (301: it was cut off)."""
    batches = text(16, 4, 64, seed)
    return {
        "scale": _stabilised_scale(batches, seed),
        "whitened": _whitened_norm(batches, seed),
        "wrong width": _wrong_widths([masked(batches[0]), *batches[:4]], seed),
        "forwards": _forwards(batches, seed),
    }


def _stabilised_scale(batches: list[Batch], seed: int) -> float:
    from peft import EvaConfig, LoraConfig, get_peft_model, initialize_lora_eva_weights
    from peft.tuners.lora import LoraLayer

    scheme: Any = "eva"
    config = LoraConfig(
        r=8,
        lora_alpha=8,
        use_rslora=True,
        target_modules=list(PARTS),
        init_lora_weights=scheme,
        eva_config=EvaConfig(rho=2.0, tau=0.0),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PEFT's, on memory and on a name in transformers
        wrapped: Any = get_peft_model(llama(*SMALL, seed), config)
        initialize_lora_eva_weights(wrapped, batches, show_progress_bar=False)
    return max(m.scaling["default"] / 8**0.5 for m in wrapped.modules() if isinstance(m, LoraLayer))


def _whitened_norm(batches: list[Batch], seed: int) -> float:
    """By the norm of a row of o, an input of its own, which PEFT whitens once."""
    q, o = "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.o_proj"
    white = peft_rows(llama(*SMALL, seed), batches, 4, rho=1.0, tau=0.0, whiten=True).state
    stats = lora.collect(llama(*SMALL, seed), [q, o], batches)
    once = {
        n: float(torch.linalg.eigvalsh(s.covariance)[-1] * s.count) ** -0.25
        for n, s in stats.items()
    }
    norms = {n: float(white[n][0].norm()) for n in (q, o)}
    return (norms[q] / norms[o]) / (once[q] / once[o])


def _wrong_widths(batches: list[Batch], seed: int) -> int:
    layers = layers_of(llama(*SMALL, seed))
    state = peft_rows(llama(*SMALL, seed), batches, 4, rho=1.0, tau=0.0).state
    return sum(rows.shape[1] != layers[name].in_features for name, rows in state.items())


def _forwards(batches: list[Batch], seed: int) -> int:
    try:
        return peft_rows(llama(*SMALL, seed), batches, 4, rho=1.0, tau=1.0).forwards
    except Endless:
        return 301
