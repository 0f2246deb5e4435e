"""Attach, save, load, merge, unmerge, detach: ours beside PEFT's on SmolLM2 in bfloat16.

PEFT writes into the weight that it merges into, so its models have weights of their own. Its
`pissa_niter_4` draws as many columns as the rank, ours four times as many; what each is worth is
the mean cos^2 between its left directions and the exact ones, on the layers of three blocks.
"""

import copy
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import load_file
from torch import Tensor

import lora
from benchmarks.contestants import RANK, ours, theirs
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.rows import Quantity, Row, Setting
from benchmarks.models import SMOLLM2, base

THEIR_PISSA = "pissa_niter_4"
BLOCKS = (0, 14, 29)


def _rank(setting: Setting) -> int:
    return 2 if setting.toy else RANK


def _trained(model: Any) -> Any:
    """With an update that is not zero."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.requires_grad and name.endswith((".B", "lora_B.default.weight")):
                p.normal_(std=0.02, generator=torch.Generator(p.device).manual_seed(0))
    return model


def _merged(model: Any, merge: Any, unmerge: Any) -> Any:
    """The model, merged whatever it was."""
    unmerge(model)
    merge(model)
    return model


def actions(setting: Setting, folder: Path) -> dict[str, Action]:
    new, rank = partial(base, SMOLLM2, setting), _rank(setting)
    own = _trained(ours(new(), rank))
    their = _trained(theirs(copy.deepcopy(new()), rank))
    lora.save(own, folder / "ours")
    weights = folder / "ours" / "adapter_model.safetensors"
    unmerge, unmerge_theirs = lora.unmerge, lambda model: model.unmerge_adapter()
    merge, merge_theirs = lora.merge, lambda model: model.merge_adapter()
    save_theirs = lambda _: their.save_pretrained(str(folder / "PEFT"), save_embedding_layers=False)
    return {
        "ours, attach": Action(lambda model: ours(model, rank), new),
        "PEFT, attach": Action(lambda model: theirs(model, rank), new),
        "ours, attach pissa": Action(lambda model: ours(model, rank, scheme="pissa"), new),
        "PEFT, attach pissa": Action(
            lambda model: theirs(model, rank, init_lora_weights=THEIR_PISSA), new
        ),
        "ours, save": Action(lambda _: lora.save(own, folder / "ours")),
        "PEFT, save": Action(save_theirs),
        "ours, load": Action(lambda model: lora.load(model, folder / "ours"), new),
        "PEFT, load": Action(
            lambda model: peft.PeftModel.from_pretrained(model, str(folder / "ours")), new
        ),
        "bare file, load": Action(lambda _: load_file(weights)),
        "ours, merge": Action(merge, lambda: _unmerged(own, unmerge)),
        "PEFT, merge": Action(merge_theirs, lambda: _unmerged(their, unmerge_theirs)),
        "ours, unmerge": Action(unmerge, lambda: _merged(own, merge, unmerge)),
        "PEFT, unmerge": Action(
            unmerge_theirs, lambda: _merged(their, merge_theirs, unmerge_theirs)
        ),
        "ours, detach": Action(lora.detach, lambda: ours(new(), rank)),
        "PEFT, detach": Action(lambda model: model.unload(), lambda: theirs(new(), rank)),
    }


def _unmerged(model: Any, unmerge: Any) -> Any:
    unmerge(model)
    return model


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    with tempfile.TemporaryDirectory() as folder:
        every = actions(setting, Path(folder))
        return interleaved({name: every[name] for name in wanted}, setting)


def cos2(B: Tensor, W: Tensor) -> float:
    """Mean cos^2 between the columns of B, orthogonal or not, and W's leading left directions."""
    rank = B.shape[1]
    exact = torch.linalg.svd(W.float(), full_matrices=False).U[:, :rank]
    return float((exact.mT @ torch.linalg.qr(B.float()).Q).square().sum() / rank)


def directions(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    new, rank = partial(base, SMOLLM2, setting), _rank(setting)
    weights, own = dict(new().named_modules()), lora.adapters(ours(new(), rank, scheme="pissa"))
    torch.manual_seed(0)  # PEFT draws from the global generator
    their = theirs(new(), rank, init_lora_weights=THEIR_PISSA).base_model.model
    blocks = (0,) if setting.toy else BLOCKS
    names = [n for n in own if any(n.startswith(f"model.layers.{i}.") for i in blocks)]
    mean = lambda factor: (
        sum(cos2(factor(n), weights[n].weight.detach()) for n in names) / len(names)
    )
    found = {
        "ours": mean(lambda n: own[n].B.detach()),
        "PEFT": mean(lambda n: their.get_submodule(n).lora_B["default"].weight.detach()),
    }
    found["ours - PEFT"] = found["ours"] - found["PEFT"]
    return {name: [found[name]] for name in wanted}


AIMS = {
    "attach": 0.7,
    "attach pissa": 1.0,
    "save": 1.0,
    "load": 0.2,
    "merge": 0.7,
    "unmerge": 0.02,
    "detach": 0.09,
}
"""of ours over PEFT's; load, unmerge, detach and attach are to stay what they once were"""
ROWS = (
    *(
        Row("life cycle", f"ours, {action}", f"PEFT, {action}", timed, aim)
        for action, aim in AIMS.items()
    ),
    Row("life cycle", "ours, load", "bare file, load", timed),
    *(
        Row("cos^2 of pissa", name, None, directions, unit="mean", exact=True)
        for name in ("ours", "PEFT")
    ),
    Row("cos^2 of pissa", "ours - PEFT", None, directions, 0.0, ">=", "mean", exact=True),
)
