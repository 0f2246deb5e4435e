"""The model card, README.md beside an adapter, with a checksum of itself by which a later save
knows that nobody has edited it."""

import importlib.metadata
import re
import zlib
from pathlib import Path
from typing import Any

from torch import nn

from lora.bases import base_of
from lora.config import Config
from lora.layer import LoRALinear
from lora.report import exported_rank, numbers

MARK = re.compile(r"<!-- written by lora\.save, checksum ([0-9a-f]{8}) -->\n\Z")
ON_HUB = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)


def card_of(model: nn.Module, config: Config, layers: dict[str, LoRALinear]) -> bytes:
    """What the card says of these adapters."""
    base = _base_model(model)
    text = _head(base) + _table(model, base, config, layers) + _use(base)
    return f"{text}<!-- written by lora.save, checksum {_checksum(text)} -->\n".encode()


def is_card(path: Path) -> bool:
    """Whether a card may be written there: nothing is there, or a card that nobody has edited."""
    if not path.exists():
        return not path.is_symlink()
    if not path.is_file():
        return False
    text = path.read_bytes().decode(errors="replace")
    mark = MARK.search(text)
    return mark is not None and mark[1] == _checksum(text[: mark.start()])


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _base_model(model: nn.Module) -> str | None:
    """The name of the base model on the Hugging Face Hub; a path is nobody else's business."""
    name: Any = getattr(model, "name_or_path", None)
    known = isinstance(name, str) and ON_HUB.fullmatch(name) and not Path(name).exists()
    return name if known else None


def _head(base: str | None) -> str:
    lines = ["---", "library_name: peft", "tags:", "- lora"]
    lines += [] if base is None else [f"base_model: {base}"]
    return "\n".join([*lines, "---", "", ""])


def _table(
    model: nn.Module, base: str | None, config: Config, layers: dict[str, LoRALinear]
) -> str:
    parameters = list(model.parameters())
    trained = sum(numbers(p) for p in parameters if p.requires_grad)
    total = sum(map(numbers, parameters))
    saved = ", ".join(f"`{name}`" for name in config.modules_to_save)
    bases = [base_of(layer.base_layer) for layer in layers.values()]
    rows = {
        "base model": f"`{base or type(model).__name__}`",
        "base weights": ", ".join(sorted({base.name for base in bases if base.quantised})),
        "initialization": f"`{config.scheme}`",
        "variant": f"`{config.variant}`",
        "adapted layers": str(len(layers)),
        "rank": _range([layer.rank for layer in layers.values()]),
        "rank as saved": _range([exported_rank(layer) for layer in layers.values()]),
        "trained parameters": f"{trained:,} of {total:,}",
        "modules saved whole": saved,
        "library": _library(),
    }
    lines = [f"| {key} | {value} |" for key, value in rows.items() if value]
    return "\n".join(["# LoRA adapter", "", "| | |", "|---|---|", *lines, "", ""])


def _range(ranks: list[int]) -> str:
    low, high = min(ranks), max(ranks)
    return str(low) if low == high else f"{low} to {high}"


def _library() -> str:
    try:
        return f"loralab {importlib.metadata.version('loralab')}"
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return ""


def _use(base: str | None) -> str:
    return f"""\
`model` is the base model{"" if base is None else f", `{base}`"}; `folder` holds this file.

With PEFT:

```python
from peft import PeftModel

model = PeftModel.from_pretrained(model, folder)
```

With loralab, which also restores what is trained and what is frozen:

```python
import lora

lora.load(model, folder)
```

"""
