"""EVA as PEFT releases it beside the library's: rows and ranks, variance of unseen tokens."""

import warnings
from typing import Any

import torch

import lora
from proxies.families.gradient_signal.trials.llamas import (
    PARTS,
    SMALL,
    layers_of,
    llama,
    own_rows,
    peft_rows,
    text,
)
from theory.gradient_signal import optimum as theory

SHARED = {
    "q_proj": "qkv",
    "k_proj": "qkv",
    "v_proj": "qkv",
    "gate_proj": "gate up",
    "up_proj": "gate up",
}


def parity(seed: int) -> dict[str, Any]:
    """The same tokens for both: one batch given twice, after which PEFT stops, and which truncation
    does not touch.

    Ranks move; layers that read one input are counted together, because PEFT breaks their ties at
    will.
    """
    batch = text(1, 16, 64, seed)
    distances: dict[float, list[float]] = {8.0: [], 2.0: []}
    moved = 0
    for rho, found in distances.items():
        theirs = peft_rows(llama(*SMALL, seed), batch * 2, 8, rho=rho)
        model = llama(*SMALL, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = lora.Config(
                rank=8, scheme="eva", scheme_options={"rho": rho}, target_modules=PARTS
            )
            lora.attach(model, config, batch)
        ours = {name: layer.A.detach().double() for name, layer in lora.adapters(model).items()}
        surplus: dict[tuple[str, str], int] = {}
        for name, rows in theirs.state.items():
            block, part = name.rsplit(".", 1)
            group = block, SHARED.get(part, part)
            surplus[group] = surplus.get(group, 0) + len(rows) - len(ours.get(name, ()))
            if name in ours and len(ours[name]) == len(rows) and len(rows):
                A, B = ours[name], rows.double()
                found.append(float(torch.linalg.matrix_norm(A.mT @ A - B.mT @ B, 2)))
        moved += sum(map(abs, surplus.values())) if rho == 8 else 0
    return {
        "distance": max(distances[8.0]),
        "distance at rho 2": max(distances[2.0]),
        "ranks": moved,
    }


def held_out(seed: int) -> dict[str, Any]:
    """Variance of unseen tokens that the library's rows capture over that of PEFT's, at the ranks
    that PEFT gave (its default options); and the forward passes beyond one a batch."""
    model, batches = llama(*SMALL, seed), text(48, 4, 64, seed)
    theirs = peft_rows(model, batches, 8)
    ran: list[int] = []
    handle = model.model.embed_tokens.register_forward_pre_hook(lambda module, args: ran.append(1))
    own = lora.collect(model, layers_of(model), batches)
    handle.remove()
    unseen = lora.collect(model, layers_of(model), text(48, 4, 64, seed + 10**6))
    ratios = []
    for name, rows in theirs.state.items():
        if len(rows):
            C = unseen[name].covariance.numpy()
            ours, peft = (A.double().numpy() for A in (own_rows(own[name], len(rows)), rows))
            ratios.append(theory.signal(ours, C) / theory.signal(peft, C))
    return {"ratios": ratios, "beyond": len(ran) - len(batches)}
