"""EVA as PEFT releases it beside the library's: rows and ranks, variance of unseen tokens, time."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

import lora
from proxies.families.gradient_signal.trials.llamas import (
    PARTS,
    SMALL,
    Endless,
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


def speed(rounds: int, batches: int, seed: int) -> dict[str, Any]:
    """Processor times of EVA for a 512-wide Llama of 4 layers, 28 of its weights adapted, 4 x 256
    tokens a batch: PEFT's over the library's, whole and without the forward passes.

    PEFT stops by its own rule, so it is cut off after as many updates as there are batches.
    Forward passes alone are timed beside it: PEFT runs the model whole, and one pass more to hash
    the inputs.
    """
    model, data = llama(512, 1408, 4, seed), text(batches, 4, 256, seed)
    found: dict[str, list[float]] = {"end to end": [], "beyond the forwards": []}

    def cut() -> None:
        try:
            peft_rows(model, data, 16, batches + 1, tau=1.0)
        except Endless:
            return
        raise AssertionError("PEFT stopped by itself: tau = 1 should not let it")

    def own() -> None:
        for name, stats in lora.collect(model, layers, data).items():
            own_rows(stats, min(16, layers[name].out_features))

    layers = layers_of(model)
    with torch.no_grad():
        for _ in range(rounds):
            theirs, ours = _seconds(cut), _seconds(own)
            whole = _seconds(lambda: [model(**batch) for batch in data]) * (batches + 1) / batches
            body = _seconds(lambda: [model.model(**batch) for batch in data])
            found["end to end"].append(theirs / ours)
            found["beyond the forwards"].append((theirs - whole) / (ours - body))
    return found


def _seconds(work: Callable[[], Any]) -> float:
    """The processor's, not the wall's, so that another process does not change the verdict."""
    begin = time.process_time()
    work()
    return time.process_time() - begin
