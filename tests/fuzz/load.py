"""`lora.load` on damaged folders: python -m tests.fuzz.load --cases 20000 --seed 0

Three of four cases flip a bit of the header of the weights, in an order that meets each bit of each
kind once: the whole battery meets all of them. The other cases are drawn: bits of the values and of
adapter_config.json, bursts, truncations, changes of either JSON as a structure, other tensors,
headers that promise what is not there, hostile regular expressions, and other things in place of
the files.
"""

import shutil
import sys
import warnings
from bisect import bisect
from dataclasses import dataclass, fields
from itertools import accumulate
from pathlib import Path
from random import Random

from torch import nn

import lora
from tests.fuzz import damage
from tests.fuzz.adapters import CONFIG, LONG, WEIGHTS, Kind, image, kinds
from tests.fuzz.battery import Battery, main
from tests.fuzz.damage import Damaged
from tests.fuzz.judge import Judged, Outcome, Snapshot, difference, refusal, snapshot
from tests.fuzz.oracle import contradiction, overflows

# How often each is drawn, where it is not a bit of a header.
DRAWN = {
    "bit of the values or of the JSON": (damage.a_bit, 4),
    "bytes changed": (damage.bytes_changed, 2),
    "cut or longer": (damage.cut, 2),
    "adapter_config.json as JSON": (damage.description, 6),
    "record as JSON": (damage.record, 4),
    "record taken away": (damage.dropped, 3),
    "header as JSON": (damage.header, 2),
    "tensors": (damage.tensors, 2),
    "hostile pattern": (damage.pattern, 1),
    "something in place of a file": (damage.placed, 1),
}
# Of these a message must have one: a file, a key of a file, a layer, a setting.
NAMES = (CONFIG, WEIGHTS, "base_model.", "blocks.", "embed", "head", LONG, "record", "crc32")
NAMES += tuple(f.name for f in fields(lora.Config))
NAMES += ("lora_alpha", "lora_dropout", "use_dora", "use_rslora", "config")


@dataclass
class Shared:
    """The kinds of adapters, and of each base model one that a failed load must leave alone."""

    kinds: dict[str, Kind]
    ends: list[int]  # how many bits the headers of the first kinds have together
    order: list[int]  # in which they are flipped
    models: dict[str, tuple[nn.Module, Snapshot]]

    def model(self, kind: Kind) -> tuple[nn.Module, Snapshot]:
        name = kind.build.__name__
        if name not in self.models:
            model = kind.build()
            self.models[name] = model, snapshot(model)
        return self.models[name]


def prepare(folder: Path) -> Shared:
    found = kinds(folder / "kinds")
    ends = list(accumulate(damage.header_bits(kind) for kind in found.values()))
    order = list(range(ends[-1]))
    Random(0).shuffle(order)
    return Shared(found, ends, order, {})


def case(shared: Shared, rng: Random, index: int, folder: Path) -> Judged:
    at = index - index // 4 - 1  # among the flips, where every fourth case is none
    if index % 4 and at < len(shared.order):
        bit = shared.order[at]
        which = bisect(shared.ends, bit)
        name = list(shared.kinds)[which]
        kind = shared.kinds[name]
        damaged = damage.flipped(
            kind.files, WEIGHTS, bit - (shared.ends[which] - damage.header_bits(kind))
        )
        drawn = "bit of the header"
    else:
        drawn = rng.choices(list(DRAWN), [weight for _, weight in DRAWN.values()])[0]
        name = rng.choice([n for n in shared.kinds if drawn != "hostile pattern" or "long" in n])
        kind = shared.kinds[name]
        damaged = DRAWN[drawn][0](rng, kind)
    return judge(shared, kind, damaged, drawn, f"{name}: {damaged.what}", folder / "adapter")


def judge(
    shared: Shared, kind: Kind, damaged: Damaged, drawn: str, what: str, folder: Path
) -> Judged:
    """Load the folder, and compare: with the model before where it fails, else with what was saved
    or, where no checksum could tell, with what adapter_config.json says."""
    _write(folder, damaged)
    model, before = shared.model(kind)
    warned = False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            report = lora.load(model, folder)
        warned = any(issubclass(w.category, UserWarning) for w in caught)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        changed = difference(before, snapshot(model))
        if changed:
            shared.models.clear()
        return refusal(drawn, what, error, (*NAMES, str(folder)), changed)
    shared.models.clear()
    try:
        got = image(model, report)
    except Exception as error:
        return Judged(drawn, Outcome.WRONG, what, f"loaded, then {type(error).__name__}: {error}")
    if got == kind.loaded:
        return Judged(drawn, Outcome.RIGHT, what)
    differs = next(key for key in got if got[key] != kind.loaded[key])
    detail = f"{differs} is not as saved" + ", with a warning" * warned
    if kind.own and not damaged.forged:
        return Judged(drawn, Outcome.WRONG, what, detail)
    base = kind.build()
    if trouble := contradiction(model, base, damaged.files, damaged.ignored):
        return Judged(drawn, Outcome.WRONG, what, trouble)
    detail = (
        "what is stored overflows float32"
        if overflows(base, damaged.files, damaged.ignored)
        else detail
    )
    return Judged(drawn, Outcome.OTHER, what, detail)


def _write(folder: Path, damaged: Damaged) -> None:
    if damaged.place or not folder.is_dir() or len(list(folder.iterdir())) != 2:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    if any((folder / name).is_symlink() or not (folder / name).is_file() for name in damaged.files):
        shutil.rmtree(folder)
        folder.mkdir()
    for name, content in damaged.files.items():
        if name not in damaged.place:
            (folder / name).write_bytes(content)
    for name, place in damaged.place.items():
        place(folder / name)


BATTERY = Battery(
    "load",
    "an error of one sentence that names file, key or layer and leaves the model as it was, or\n"
    "the adapter as saved: function, dropout, config, trained split. Where no checksum can tell\n"
    "(PEFT's files, ours without their record): finite, and what adapter_config.json says",
    cases=160_000,
    limit=10.0,
    prepare=prepare,
    case=case,
)

if __name__ == "__main__":
    sys.exit(main([BATTERY]))
