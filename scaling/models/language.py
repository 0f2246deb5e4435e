"""Causal language models, and batches of what they read."""

from collections.abc import Callable

from torch import Tensor

from scaling.core.config import Config
from scaling.core.records import Record
from scaling.core.task import IGNORED, Loaded
from scaling.evaluation.text_generation import context
from scaling.models.loading import pretrained
from scaling.models.packaged import language_model


def loaded_model(config: Config) -> Loaded:
    """The config's language model, or the default one, with a token to pad with."""
    from transformers import AutoModelForCausalLM

    source = language_model(config.data.model)
    loaded = pretrained(config, AutoModelForCausalLM, source)
    if loaded.processor.pad_token is None:
        if loaded.processor.eos_token is None:
            raise ValueError(f"the tokenizer of {source} has neither a padding nor an end token")
        loaded.processor.pad_token = loaded.processor.eos_token
    return loaded


def check_length(config: Config, loaded: Loaded) -> None:
    """Raise ValueError for examples of fewer than two tokens, or of more than the model reads."""
    limit = context(loaded)
    if config.data.length < 2 or (limit is not None and config.data.length > limit):
        most = "" if limit is None else f", and the model reads {limit} at most"
        raise ValueError(
            f"length must be at least 2 tokens to tell one from those before{most}; got "
            f"{config.data.length}"
        )


def padded(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    """Makes a batch of examples with input_ids and labels, filled up at the right."""
    # pads labels with IGNORED; nothing in it needs an encoder
    from transformers import DataCollatorForSeq2Seq

    return DataCollatorForSeq2Seq(loaded.processor, label_pad_token_id=IGNORED)
