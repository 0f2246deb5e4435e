"""A model, data and a command small enough that a fine-tuning run takes a second or two."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.collector import hide_imported
from tests.support.models import llama

WORDS = ("red", "green", "blue", "one", "two", "three", "the", "a", "of")
COLOURS, NUMBERS = WORDS[:3], WORDS[3:6]
# what a finished run leaves in its folder
LEFT = [
    *("adapter", "before.json", "curves.png", "metrics.json", "predictions.jsonl"),
    *("report.md", "run.json"),
]
CHAT = (
    "{% for m in messages %}{{ m.role }} : {{ m.content }} <end> {% endfor %}"
    "{% if add_generation_prompt %}assistant : {% endif %}"
)


def tiny_bert(folder: Path, dropout: float = 0.1) -> Path:
    """A random two-layer BERT without a classifier head, with a tokenizer of WORDS."""
    from transformers import BertConfig, BertModel, BertTokenizerFast  # type: ignore[attr-defined]

    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(
            BertConfig(
                vocab_size=len(words),
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=32,
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
                # at the default of 0.02 every text of random layers looks the same
                initializer_range=0.3,
            )
        ).save_pretrained(folder)
    return folder


def sentences(count: int, seed: int) -> list[dict[str, str]]:
    """Three words that tell nothing and one that is a colour or a number, which is the label."""
    rng = torch.Generator().manual_seed(seed)

    def one_of(words: tuple[str, ...]) -> str:
        return words[int(torch.randint(len(words), (), generator=rng))]

    rows = []
    for i in range(count):
        words = [one_of(WORDS[6:]) for _ in range(3)]
        words.insert(
            int(torch.randint(4, (), generator=rng)), one_of(COLOURS if i % 2 else NUMBERS)
        )
        rows.append({"text": " ".join(words), "label": "colour" if i % 2 else "number"})
    return rows


def arguments(model: Path, folder: Path, *more: str, steps: int = 12) -> list[str]:
    """Arguments of a run whose files all lie in `folder`."""
    for name, count, seed in (("train", 64, 0), ("test", 12, 1)):
        text = "".join(json.dumps(row) + "\n" for row in sentences(count, seed))
        (folder / f"{name}.jsonl").write_text(text)
    given = {
        "model": model,
        "train": folder / "train.jsonl",
        "test": folder / "test.jsonl",
        "out": folder / "run",
    }
    given |= {
        "store": folder / "store.sqlite",
        "steps": steps,
        "batch": 8,
        "lr": 0.02,
        "rank": 4,
        "save-every": 4,
    }
    return [*(part for name, value in given.items() for part in (f"--{name}", str(value))), *more]


def without_store(out: str, model: Path, folder: Path, *more: str) -> list[str]:
    """The arguments of a run as those of a command that keeps none, and writes folder/out."""
    every = arguments(model, folder, *more)
    at = every.index("--store")
    every[every.index("--out") + 1] = str(folder / out)
    return every[:at] + every[at + 2 :]


def call(arguments: list[str]) -> int:
    from scaling.finetune import run

    hide_imported()  # what the run before has imported
    return run(arguments)


def word_tokenizer(folder: Path, words: tuple[str, ...], template: str = "$A") -> None:
    """A token for each word, after <pad>, <end> and <unk>; the template says which it puts around
    the text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    every = {word: i for i, word in enumerate(("<pad>", "<end>", "<unk>", *words))}
    made: Any = Tokenizer(models.WordLevel(every, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = [(word, every[word]) for word in template.split() if word != "$A"]
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    named = {"pad_token": "<pad>", "eos_token": "<end>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **named).save_pretrained(folder)


def tiny_llama(folder: Path, words: tuple[str, ...]) -> Path:
    """A random Llama, with a tokenizer of these words."""
    word_tokenizer(folder, words)
    llama().save_pretrained(folder)
    return folder


def chat_llama(folder: Path, words: tuple[str, ...]) -> Path:
    """The same with a chat template, in which each turn ends with <end>."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_llama(folder, words))
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return folder


def tiny_bart(folder: Path, dropout: float = 0.1) -> Path:
    """A random BART of two and two layers, with a tokenizer of WORDS."""
    from transformers import BartConfig, BartForConditionalGeneration

    word_tokenizer(folder, WORDS, "$A <end>")
    size: dict[str, Any] = {}
    for side in ("encoder", "decoder"):
        size |= {f"{side}_layers": 2, f"{side}_attention_heads": 2, f"{side}_ffn_dim": 48}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BartForConditionalGeneration(
            BartConfig(
                vocab_size=len(WORDS) + 3,
                d_model=32,
                max_position_embeddings=16,
                dropout=dropout,
                init_std=0.3,  # as above
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=1,
                decoder_start_token_id=1,
                forced_eos_token_id=None,
                **size,
            )
        ).save_pretrained(folder)
    return folder


def shared(name: str) -> Path:
    """A data set of $LORALAB_DATA, else of shared/data beside the checkout; skips the test where it
    is not there."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("LORALAB_DATA", beside)) / name
    if not folder.exists():
        pytest.skip(f"needs the data set {name}, by LORALAB_DATA or beside the checkout")
    return folder
