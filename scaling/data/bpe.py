"""A byte-level BPE tokenizer, made on the spot from the texts that a small model is to read."""

from collections.abc import Sequence
from typing import Any

END, PAD, MASK = "<|end|>", "<|pad|>", "<|mask|>"
ENTRIES = 2000


def tokenizer(texts: Sequence[str], length: int, *, ends: bool) -> Any:
    """For texts of this many tokens at most. `ends`: it puts the end token after each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made: Any = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=ENTRIES,
        special_tokens=[END, PAD, MASK],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    if ends:
        made.post_processor = processors.TemplateProcessing(
            single=f"$A {END}", special_tokens=[(END, 0)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=length,
        bos_token=END,
        eos_token=END,
        pad_token=PAD,
        mask_token=MASK,
    )
