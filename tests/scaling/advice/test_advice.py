"""The loss that advice is about is the one that training takes: with logits only where labels
are."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

from transformers import LlamaConfig, LlamaForCausalLM

from scaling.advice import advice
from scaling.advice.sample import probe
from scaling.core.config import Config
from scaling.training.job import Job
from scaling.training.preparation import prepare
from tests.support.finetuning import word_tokenizer
from tests.support.text_rows import WORDS, rows

VOCABULARY = 4096
FLOAT = 4


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A run of a Llama whose logits are far larger than all that its layers save."""
    word_tokenizer(tmp_path, WORDS)
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(vocab_size=VOCABULARY, num_attention_heads=2, **sizes)
    ).save_pretrained(tmp_path)
    (tmp_path / "train.jsonl").write_text(rows(32))
    named = {"model": str(tmp_path), "train": str(tmp_path / "train.jsonl")}
    return prepare(Config.of(task="causal_lm", batch=8, length=12, rank=2, **named))


def test_the_memory_of_a_language_model_holds_no_logits(job):
    found = advice.advised(job, 2)
    batches = advice.on_batches(job, lambda stream: [next(stream), next(stream)])
    logits = FLOAT * VOCABULARY * min(batch["input_ids"].numel() for batch in batches)
    assert 0 < found.memory.kept < logits / 2


def test_the_layers_are_seen_as_by_the_loss_of_the_model(job):
    """The same errors, to the rounding of sums in float32, and no pass more than the batches'."""
    model = job.loaded.model
    names = ["model.layers.0.mlp.down_proj"]
    batches = advice.on_batches(job, lambda stream: [next(stream), next(stream)])
    losses = (lambda model, batch: model(**batch).loss, advice.loss_on(job, batches[0]))
    [own], [ours] = (probe(model, names, batches, loss) for loss in losses)
    assert ours.inputs.count == own.inputs.count
    close = 64 * torch.finfo(torch.float32).eps * float(own.errors.norm())
    assert float((ours.errors - own.errors).norm()) <= close
