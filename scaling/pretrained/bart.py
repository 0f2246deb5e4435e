"""A small BART that has repaired the docstrings of Python's standard library: every span of tokens
that is hidden, of a Poisson length, is one mask, and the whole text is to be written (text
infilling; Lewis et al., 1910.13461)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scaling.data.bpe import tokenizer
from scaling.data.docstrings import standard_library
from scaling.pretrained import fit

CONTEXT, WIDTH, LAYERS, HEADS = 128, 128, 2, 4
# at the default of 0.02 all attention of so narrow a model is even, and nothing is learnt in a
# minute
INIT = 0.05
# tokens of a text, steps, learning rate: to copy is learnt on short texts
STAGES = ((32, 650, 3e-3), (64, 200, 2e-3))
BATCH = 16
HIDDEN, SPAN = 0.3, 3.0  # the share of the tokens that are hidden, and the mean length of a span
FEWEST = 8  # tokens of a paragraph


def make(folder: Path, stages: Sequence[tuple[int, int, float]] = STAGES) -> None:
    from transformers import BartConfig, BartForConditionalGeneration, DataCollatorForSeq2Seq

    texts = standard_library()
    words = tokenizer(texts, CONTEXT, ends=True)
    paragraphs = [paragraph for text in texts for paragraph in text.split("\n")]
    config = BartConfig(
        vocab_size=len(words),
        max_position_embeddings=CONTEXT,
        init_std=INIT,
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        dropout=0.0,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        decoder_start_token_id=words.eos_token_id,
        forced_eos_token_id=None,
    )
    torch.manual_seed(0)
    model = BartForConditionalGeneration(config)
    # so that the same place in what is read and in what is written look alike from the start
    with torch.no_grad():
        model.model.decoder.embed_positions.weight.copy_(model.model.encoder.embed_positions.weight)
    pad, rng = DataCollatorForSeq2Seq(words, model), np.random.default_rng(0)

    def collate(chosen: list[list[int]]) -> Any:
        return pad(
            [{"input_ids": hidden(ids, words.mask_token_id, rng), "labels": ids} for ids in chosen]
        )

    for length, steps, lr in stages:
        read = words(paragraphs, truncation=True, max_length=length)["input_ids"]
        fit(
            model,
            [ids for ids in read if len(ids) >= FEWEST],
            collate,
            steps=steps,
            lr=lr,
            batch=BATCH,
        )
    model.save_pretrained(folder)
    words.save_pretrained(folder)


def hidden(ids: Sequence[int], mask: int, rng: np.random.Generator) -> list[int]:
    """The text with spans of it hidden, but for its last token, the end."""
    # the chance of a span at a token, for that share of them
    start = HIDDEN / (SPAN - HIDDEN * (SPAN - 1))
    seen, at = [], 0
    while at < len(ids) - 1:
        if rng.random() < start:
            seen.append(mask)
            at += int(rng.poisson(SPAN))
        else:
            seen.append(ids[at])
            at += 1
    return [*seen, ids[-1]]
