"""A small GPT-2 that has read the docstrings of Python's standard library."""

from pathlib import Path

import torch

from scaling.data.bpe import tokenizer
from scaling.data.docstrings import standard_library
from scaling.data.prompts import blocks
from scaling.pretrained import fit

CONTEXT, WIDTH, LAYERS, HEADS = 256, 128, 2, 4
# at the default of 0.02 all attention of so narrow a model is even, and little is learnt in a
# minute
INIT = 0.06
STEPS, BATCH, LR = 650, 4, 4e-3  # many small steps: of so little text each teaches something


def make(folder: Path, steps: int = STEPS) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    texts = standard_library()
    words = tokenizer(texts, CONTEXT, ends=False)
    rows = torch.tensor([block for block in blocks(words, texts, CONTEXT) if len(block) == CONTEXT])
    config = GPT2Config(
        vocab_size=len(words),
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        initializer_range=INIT,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config)

    def collate(chosen: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        ids = torch.stack(chosen)
        return {"input_ids": ids, "labels": ids}

    fit(model, rows, collate, steps=steps, lr=LR, batch=BATCH)  # type: ignore[arg-type]
    model.save_pretrained(folder)
    words.save_pretrained(folder)
