"""Saved adapters of every kind on a network of a hundred numbers, and what a load of each gives."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import lora
from lora import Config
from lora.model import attached
from tests.fuzz.judge import bits
from tests.support.models import shake

IDS = torch.tensor([[0, 3, 1, 4], [2, 2, 0, 1]])
LONG = "projection_of_the_residual_stream_after_attention"
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
Files = dict[str, bytes]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(4, 6), nn.Linear(6, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.up(x).relu())


class Net(nn.Module):
    """Two blocks between an embedding and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(4, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return Net().eval()


def long() -> nn.Module:
    """A layer with so long a name that a pattern which doubles its time a letter never ends."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            {"embed": nn.Embedding(5, 4), LONG: nn.Linear(4, 4)}
        )
        return nn.Sequential(parts).eval()


@dataclass(frozen=True)
class Kind:
    """A saved adapter.

    Args:
        build: makes the base model, the same one every time.
        files: what was saved, by name.
        own: written by `lora.save`, with its record; else by PEFT, or without the record.
        loaded: what a load of the undamaged folder gives (`image`).
    """

    build: Callable[[], nn.Module]
    files: Files
    own: bool
    loaded: dict[str, Any]


ONE_LAYER = ("blocks.0.up",)
OWN: dict[str, dict[str, Any]] = {
    "plain": {"target_modules": ONE_LAYER, "seed": 7},
    "stabilised": {
        "target_modules": ("down",),
        "rank_stabilized": True,
        "alpha": 3.0,
        "dropout": 0.25,
        "train_a": False,
    },
    "pissa": {"target_modules": ("up",), "scheme": "pissa"},
    "dora": {"target_modules": ("down",), "variant": "dora", "dropout": 0.5},
    "dash": {
        "target_modules": ("blocks.1.up", "blocks.1.down"),
        "variant": "dash",
        "variant_options": {"directions": 1},
    },
    "patterns": {"rank_pattern": {"up": 1, r"blocks\.1\.down": 3}, "alpha_pattern": {"0.up": 5.0}},
    "saved": {"target_modules": ONE_LAYER, "modules_to_save": ("head",), "scheme": "init_b"},
    "embedding": {"target_modules": ("embed", "1.down"), "scheme": "pissa", "alpha": 4},
}
PEFT: dict[str, dict[str, Any]] = {
    "PEFT plain": {"target_modules": ["up", "down"], "lora_dropout": 0.1},
    "PEFT dora": {"target_modules": ["down"], "use_dora": True, "use_rslora": True},
    "PEFT pissa": {"target_modules": ["up"], "init_lora_weights": "pissa"},
    "PEFT patterns": {
        "target_modules": r"blocks\.\d\.(up|down)",
        "rank_pattern": {"up": 1},
        "alpha_pattern": {"0.down": 3},
        "modules_to_save": ["head"],
    },
}


def kinds(folder: Path, peft: bool = True) -> dict[str, Kind]:
    """Every kind by name; without those of PEFT it need not be imported."""
    found = {}
    for name, options in OWN.items():
        found[name] = _kind(net, folder / name, True, partial(_own, options))
    found["long name"] = _kind(
        long, folder / "long", True, partial(_own, {"target_modules": (LONG,)})
    )
    for name, options in (PEFT | {"PEFT long name": {"target_modules": [LONG]}}).items():
        if peft:
            build = long if "long" in name else net
            found[name] = _kind(build, folder / name, False, partial(_peft, options))
    return found


def _kind(
    build: Callable[[], nn.Module], folder: Path, own: bool, save: Callable[[nn.Module, Path], None]
) -> Kind:
    save(build(), folder)
    files = {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    model = build()
    report = lora.load(model, folder)
    return Kind(build, files, own, image(model, report))


def _own(options: dict[str, Any], model: nn.Module, folder: Path) -> None:
    settings: dict[str, Any] = {"rank": 2} | options
    lora.attach(model, Config(**settings))
    shake(model)
    if options.get("variant") == "dash":
        lora.launch(model)
        shake(model, seed=2)
    lora.save(model, folder)


def _peft(options: dict[str, Any], model: nn.Module, folder: Path) -> None:
    import peft

    settings: dict[str, Any] = {"r": 2, "lora_alpha": 6} | options
    wrapped: Any = model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peft.get_peft_model(wrapped, peft.LoraConfig(**settings))
        shake(theirs)
        theirs.save_pretrained(str(folder))


def image(model: nn.Module, report: lora.Report) -> dict[str, Any]:
    """What a loaded adapter is: its function, its dropout, its config, what of it is trained, and
    every value."""
    layers = lora.adapters(model)
    with torch.no_grad():
        outputs = bits(model(IDS))
    return {
        "function": outputs,
        "dropout": {name: layer.dropout for name, layer in layers.items()},
        "scale": {name: (type(layer), layer.rank, layer.scale) for name, layer in layers.items()},
        "trained split": {name: p.requires_grad for name, p in model.named_parameters()},
        "config": attached(model).config,
        "values": {name: bits(value) for name, value in model.state_dict().items()},
        "report": (report.layers, report.skipped, report.trainable, report.total),
    }
