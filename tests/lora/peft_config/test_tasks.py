"""The task that is stated is one under which stock PEFT computes what we do."""

import warnings
from typing import Any

import peft
import pytest
import torch
import transformers
from torch import nn

import lora
from lora.peft_config.tasks import task_type
from tests.support.models import TOKENS, gpt2, llama, shake, small

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),
]
SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
}


def seeded(build):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().eval()


def bert(kind: str):
    return lambda: seeded(
        lambda: getattr(transformers, f"BertFor{kind}")(transformers.BertConfig(**SIZES))
    )


def t5():
    config = transformers.T5Config(
        vocab_size=64, d_model=32, d_ff=48, d_kv=8, num_heads=4, num_layers=2
    )
    return seeded(lambda: transformers.T5ForConditionalGeneration(config))


class MyLlama(transformers.LlamaForCausalLM):
    pass


def my_llama():
    return seeded(lambda: MyLlama(llama().config))


CASES = [
    (llama, "CAUSAL_LM", "PeftModelForCausalLM"),
    (my_llama, "CAUSAL_LM", "PeftModelForCausalLM"),
    (gpt2, "CAUSAL_LM", "PeftModelForCausalLM"),
    (t5, "SEQ_2_SEQ_LM", "PeftModelForSeq2SeqLM"),
    (bert("SequenceClassification"), "SEQ_CLS", "PeftModelForSequenceClassification"),
    (bert("TokenClassification"), "TOKEN_CLS", "PeftModelForTokenClassification"),
    (bert("QuestionAnswering"), "QUESTION_ANS", "PeftModelForQuestionAnswering"),
    (bert("MaskedLM"), None, "PeftModel"),
]


@pytest.mark.parametrize(("build", "task", "wrapper"), CASES)
@pytest.mark.parametrize("head", ["left alone", "saved", "adapted"])
def test_peft_computes_the_same_under_the_task(tmp_path, build, task, wrapper, head):
    """Its models of some tasks want the head saved whole, and would drop an adapter on it."""
    model = build()
    heads = [n for n, _ in model.named_children() if n in ("classifier", "qa_outputs")]
    options: dict[str, Any] = {"target_modules": ["query", "q_proj", "c_attn", "q"]}
    ends = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    options["target_modules"] = [n for n in options["target_modules"] if n in ends] or "all-linear"
    if heads and head == "saved":
        options["modules_to_save"] = heads
    elif heads:
        task, wrapper = None, "PeftModel"
        if head == "adapted":
            options["target_modules"] = [*options["target_modules"], *heads]
    lora.attach(model, lora.Config(rank=2, **options))
    shake(model)
    lora.save(model, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out")
        theirs = peft.PeftModel.from_pretrained(build(), str(tmp_path))
    assert theirs.peft_config["default"].task_type == task
    assert type(theirs).__name__ == wrapper
    inputs = {"input_ids": TOKENS}
    if task == "SEQ_2_SEQ_LM":
        inputs["decoder_input_ids"] = TOKENS
    for ours, other in zip(model(**inputs).values(), theirs(**inputs).values(), strict=True):
        if isinstance(ours, torch.Tensor):
            # float32 sums of at most 128 terms in some layers, outputs below 10
            assert (ours - other).abs().max() <= 10 * 6 * 128 * torch.finfo(torch.float32).eps
    if task == "CAUSAL_LM":
        assert theirs.generate(input_ids=TOKENS, max_new_tokens=2).shape == (2, 12)


def whisper():
    config = transformers.WhisperConfig(
        vocab_size=64, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_mel_bins=8,
        max_source_positions=8, max_target_positions=8, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    return seeded(lambda: transformers.WhisperForConditionalGeneration(config))


class NamedForCausalLM(nn.Module):
    pass


def test_no_task_is_stated_where_peft_s_model_of_it_would_not_do():
    """Whisper reads input_features, which PEFT's model for sequence to sequence does not pass."""
    assert task_type(whisper(), []) is None
    assert task_type(NamedForCausalLM(), []) is None, "a name alone is no transformers model"
    assert task_type(small(), []) is None
