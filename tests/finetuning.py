"""A model, data and a command small enough that a fine-tuning run takes a second or two."""

import json
from pathlib import Path

import torch

WORDS = ("red", "green", "blue", "one", "two", "three", "the", "a", "of")
COLOURS, NUMBERS = WORDS[:3], WORDS[3:6]


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
                initializer_range=0.3,  # at the default of 0.02 every text of random layers looks the same
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
        words.insert(int(torch.randint(4, (), generator=rng)), one_of(COLOURS if i % 2 else NUMBERS))
        rows.append({"text": " ".join(words), "label": "colour" if i % 2 else "number"})
    return rows


def arguments(model: Path, folder: Path, *more: str, steps: int = 12) -> list[str]:
    """Arguments of a run whose files all lie in `folder`."""
    for name, count, seed in (("train", 64, 0), ("test", 12, 1)):
        text = "".join(json.dumps(row) + "\n" for row in sentences(count, seed))
        (folder / f"{name}.jsonl").write_text(text)
    given = {"model": model, "train": folder / "train.jsonl", "test": folder / "test.jsonl", "out": folder / "run"}
    given |= {"store": folder / "store.sqlite", "steps": steps, "batch": 8, "lr": 0.02, "rank": 4, "save-every": 4}
    return [*(part for name, value in given.items() for part in (f"--{name}", str(value))), *more]


def call(arguments: list[str]) -> int:
    from scaling.finetune import run

    return run(arguments)
