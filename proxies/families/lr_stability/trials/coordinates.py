"""Features inside one block of two transformers at several widths, for every case of the claims L13
to L13c."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from loralab.memo import Memo
from proxies.families.lr_stability.claims.coordinates import GPT2, LLAMA, STEPS
from proxies.instruments.architectures import SMALL_LLAMA, VOCABULARY
from proxies.instruments.coordinates import coordinates, fitted
from proxies.instruments.trial_grid import product

RATE = 0.3
Slopes = dict[tuple[str, str], np.ndarray]  # by model and case, (seeds, layers, quantities, steps)
SMALL_GPT2: dict[str, Any] = {
    "model_type": "gpt2",
    "hidden_size": 64,
    "n_inner": 128,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "vocab_size": VOCABULARY,
    "bos_token_id": None,
    "eos_token_id": None,
}
CONFIGS: dict[str, dict[str, Any]] = {LLAMA: SMALL_LLAMA, GPT2: SMALL_GPT2}


class Case(NamedTuple):
    """A scheme at the learning rates k n^c_A and k n^c_B, its layers trained alone or together."""

    scheme: str
    exponents: tuple[float, float]
    rate: float = RATE
    together: bool = False


CASES = {
    "Init[A]": Case("init_a", (-0.5, -0.5)),
    "Init[B]": Case("init_b", (-1.0, -1.0)),
    "LoRA+ from Init[A]": Case("init_a", (-1.0, 0.0)),
    "Init[B], too fast": Case("init_b", (-0.5, -0.5)),
    "Init[B], too fast, small k": Case("init_b", (-0.5, -0.5), RATE / 10),
    "Init[A], together": Case("init_a", (-0.5, -0.5), together=True),
    "Init[B], together": Case("init_b", (-1.0, -1.0), together=True),
    "LoRA+ from Init[B], together": Case("init_b", (-1.0, 0.0), together=True),
    "LoRA+ from Init[A], together": Case("init_a", (-1.0, 0.0), together=True),
}


def collect(memo: Memo, widths: Sequence[int], seeds: Sequence[int]) -> Slopes:
    """The slopes of every model and case: a trial for each of them, width and seed, the slowest
    first."""
    fixed = {"steps": STEPS, "rank": 4, "blocks": 1}
    descending = sorted(widths, reverse=True)
    points = product(width=descending, model=list(CONFIGS), case=list(CASES), seed=seeds)
    results = memo.map(
        coordinates,
        [
            {
                **fixed,
                **_arguments(CASES[p["case"]]),
                "config": CONFIGS[p["model"]],
                "width": p["width"],
                "seed": p["seed"],
            }
            for p in points
        ],
    )
    rows: dict[tuple[str, str], list[list[Any]]] = {
        (model, case): [[] for _ in widths] for model in CONFIGS for case in CASES
    }
    for point, result in zip(points, results, strict=True):
        rows[point["model"], point["case"]][descending.index(point["width"])].append(result)
    return {key: fitted(descending, found) for key, found in rows.items()}


def _arguments(case: Case) -> dict[str, Any]:
    return {**case._asdict(), "exponents": list(case.exponents)}
