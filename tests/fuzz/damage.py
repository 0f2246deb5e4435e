"""What may happen to a saved adapter: one change, in words, and what a load may make of it."""

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from tests.fuzz.adapters import CONFIG, LONG, WEIGHTS, Files, Kind
from tests.fuzz.oddities import dumped, mutated, texts
from tests.fuzz.places import PLACES, Place

METADATA = "__metadata__"


@dataclass
class Damaged:
    """A folder to load.

    Args:
        what: the change, in words.
        files: the two files, whole or not.
        forged: the change that no checksum tells from a save: in the files of PEFT, or in ours
            without their record. Then adapter_config.json says what is right.
        place: what lies at a name in place of a file.
        ignored: keys of patterns that match no layer.
    """

    what: str
    files: Files
    forged: bool = False
    place: dict[str, Place] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)


def header_bits(kind: Kind) -> int:
    """How many bits the header of the weights has, its length included."""
    return 8 * (8 + _length(kind.files[WEIGHTS]))


def flipped(files: Files, name: str, bit: int) -> Damaged:
    content = bytearray(files[name])
    content[bit // 8] ^= 1 << bit % 8
    return Damaged(f"bit {bit} of {name} flipped", files | {name: bytes(content)})


def bytes_changed(rng: Random, kind: Kind) -> Damaged:
    """A burst, a byte, a block of zeros, two parts exchanged: what a disk or a network does."""
    name = rng.choice((CONFIG, WEIGHTS, WEIGHTS))
    content = bytearray(kind.files[name])
    at = rng.randrange(len(content))
    act = rng.choice(("burst", "byte", "zeros", "exchanged", "twice", "inserted"))
    if act == "burst":
        for bit in range(8 * at, min(8 * at + rng.randint(2, 32), 8 * len(content))):
            content[bit // 8] ^= rng.getrandbits(1) << bit % 8
    elif act == "byte":
        content[at] = rng.randrange(256)
    elif act == "zeros":
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    elif act == "exchanged":
        to = rng.randrange(len(content))
        content[at], content[to] = content[to], content[at]
    elif act == "twice":
        content[at:at] = content[at : at + 16]
    else:
        content[at:at] = bytes([rng.randrange(256)])
    return Damaged(f"{act} at byte {at} of {name}", kind.files | {name: bytes(content)})


def a_bit(rng: Random, kind: Kind) -> Damaged:
    """Of the values of the weights, or of adapter_config.json."""
    name = rng.choice((CONFIG, WEIGHTS))
    first = 8 * (8 + _length(kind.files[WEIGHTS])) if name == WEIGHTS else 0
    return flipped(kind.files, name, rng.randrange(first, 8 * len(kind.files[name])))


def cut(rng: Random, kind: Kind) -> Damaged:
    name = rng.choice((CONFIG, WEIGHTS, WEIGHTS))
    content, at = kind.files[name], rng.randrange(len(kind.files[name]))
    if rng.random() < 0.2:
        more = rng.randbytes(rng.randint(1, 40))
        return Damaged(f"{len(more)} bytes behind {name}", kind.files | {name: content + more})
    return Damaged(f"{name} cut at byte {at}", kind.files | {name: content[:at]})


def description(rng: Random, kind: Kind) -> Damaged:
    """adapter_config.json as a structure with a change, or as an odd text."""
    text = kind.files[CONFIG].decode()
    if rng.random() < 0.15:
        odd, what = texts(rng, text)
        return Damaged(f"{CONFIG}: {what}", kind.files | {CONFIG: odd})
    value, said = json.loads(text), []
    for _ in range(rng.choice((1, 1, 1, 2))):
        value, what = mutated(rng, value)
        said.append(what)
        if not isinstance(value, dict) or not value:
            break
    return Damaged(f"{CONFIG}: {', '.join(said)}", kind.files | {CONFIG: dumped(value).encode()})


def record(rng: Random, kind: Kind) -> Damaged:
    """Our record in the metadata of the weights with a change, or as an odd text."""
    header = _header(kind.files[WEIGHTS])
    metadata = header.get(METADATA, {})
    names = [name for name in metadata if name != "format"]
    if not names:
        metadata, what = {"format": "pt", "loralab": rng.choice(("", "{}", "null", "[]", "0"))}, ""
        what = f"a record {metadata['loralab']!r} in a file of PEFT"
    elif rng.random() < 0.2:
        name = rng.choice(names)
        odd, what = texts(rng, metadata[name])
        metadata = metadata | {name: odd.decode("latin-1")}
        what = f"{name}: {what}"
    else:
        metadata, what = mutated(rng, {name: metadata[name] for name in names})
        metadata = {"format": "pt"} | metadata if isinstance(metadata, dict) else metadata
    damaged = _with_header(kind.files, header | {METADATA: metadata})
    # Where all of the record is gone, what is left is what PEFT would have written.
    gone = not isinstance(metadata, dict) or not set(names) <= metadata.keys()
    return Damaged(f"record: {what}", damaged, forged=gone)


def without_record(kind: Kind) -> Kind:
    """As PEFT would have saved the same function."""
    header = _header(kind.files[WEIGHTS]) | {METADATA: {"format": "pt"}}
    settings = json.loads(kind.files[CONFIG]) | {"auto_mapping": None}
    files = kind.files | {CONFIG: dumped(settings).encode()}
    return Kind(kind.build, _with_header(files, header), False, kind.loaded)


def dropped(rng: Random, kind: Kind) -> Damaged:
    """The record taken away, and perhaps a change that its checksums would have told."""
    bare = without_record(kind)
    act = rng.choice((description, description, tensors, lambda *_: Damaged("alone", bare.files)))
    damaged = act(rng, bare)
    damaged.what, damaged.forged = f"without the record: {damaged.what}", True
    return damaged


def header(rng: Random, kind: Kind) -> Damaged:
    """The table of tensors in the header: types, shapes, offsets, names, and bombs."""
    content = kind.files[WEIGHTS]
    table = _header(content)
    if rng.random() < 0.15:
        bombs: dict[str, bytes] = {
            "a header of 2^62 bytes": struct.pack("<Q", 2**62) + content[8:],
            "a header of no bytes": struct.pack("<Q", 0) + content[8:],
            "a header of the whole file": struct.pack("<Q", len(content) - 8) + content[8:],
            "2,000 keys": _packed(
                {
                    f"k{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                    for i in range(2_000)
                }
            ),
            "a shape of 2^80": _packed({"a": _row([2**40, 2**40], 0, 4)}, bytes(4)),
            "100,000 brackets": struct.pack("<Q", 100_000) + b"[" * 100_000,
            "metadata of a megabyte": _packed({METADATA: {"format": "x" * 2**20}}),
        }
        name = rng.choice(list(bombs))
        return Damaged(f"header: {name}", kind.files | {WEIGHTS: bombs[name]}, forged=True)
    key = rng.choice([key for key in table if key != METADATA])
    row = dict(table[key])
    act = rng.choice(("dtype", "shape", "offsets", "rename", "change"))
    if act == "dtype":
        row["dtype"] = rng.choice(("F16", "I32", "U32", "F64", "BOOL", "F8_E8M0", "C64", "", None))
    elif act == "shape":
        row["shape"] = rng.choice((row["shape"][::-1], [8], [], [2**40, 2**40], [-1], ["2"], None))
    elif act == "offsets":
        row["data_offsets"] = rng.choice(([0, 0], [0, 4], [4, 0], [0, 2**60], [], [-4, 4], None))
    elif act == "change":
        changed, what = mutated(rng, table)
        return Damaged(f"header: {what}", _with_header(kind.files, changed), forged=not kind.own)
    rows = {(f"{k}x" if k == key and act == "rename" else k): v for k, v in table.items()}
    if act != "rename":
        rows[key] = row
    return Damaged(f"header: {act} of {key}", _with_header(kind.files, rows), forged=not kind.own)


def tensors(rng: Random, kind: Kind) -> Damaged:
    """The tensors written again with one changed; beside our record its checksum tells."""
    found = load(kind.files[WEIGHTS])
    metadata = _header(kind.files[WEIGHTS]).get(METADATA, {"format": "pt"})
    key = rng.choice(list(found))
    name = rng.choice(list(CHANGES))
    changed = CHANGES[name](found[key])
    if changed is None:
        del found[key]
    else:
        found[key] = changed.contiguous()
    if name == "one too many":
        found[rng.choice(("x", f"{key}x", key.replace("up", "down")))] = torch.zeros(2, 2)
    files = kind.files | {WEIGHTS: save(found, metadata)}
    return Damaged(f"tensor {key}: {name}", files, forged=not kind.own)


def _poisoned(value: float) -> Callable[[Tensor], Tensor]:
    return lambda t: torch.cat([t.reshape(-1)[:-1], torch.tensor([value])]).reshape(t.shape)


CHANGES: dict[str, Callable[[Tensor], Tensor | None]] = {
    "missing": lambda _: None,
    "one too many": lambda t: t,
    **{
        str(dtype).removeprefix("torch."): lambda t, dtype=dtype: t.to(dtype)
        for dtype in (
            *(torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int64, torch.bool),
            *(torch.float8_e4m3fn, torch.float8_e5m2, torch.uint8),
        )
    },
    "complex64": lambda t: t.to(torch.complex64),
    "transposed": lambda t: t.mT if t.ndim == 2 else t[None],
    "flat": lambda t: t.reshape(-1),
    "a scalar": lambda t: t.reshape(-1)[0].clone(),
    "empty": lambda t: t[:0],
    "a row more": lambda t: torch.cat([t, t[:1]]),
    "a row less": lambda t: t[1:],
    "zeros": torch.zeros_like,
    "times ten": lambda t: t * 10,
    "NaN": _poisoned(float("nan")),
    "infinite": _poisoned(float("inf")),
    "3e38": lambda t: torch.full_like(t, 3e38),
    "1e-45": lambda t: torch.full_like(t, 1e-45),
}
HOSTILE = (
    "([a-z_.0-9]+)+X",
    "(.*)*X",
    "(a|a|[a-z_]+)*$X",
    "([a-z_.]*)*[0-9]X",
    "(?:(?:[a-z]+_?)+)+!",
    "(.+)+(.+)+(.+)+X",
    "(_|[a-z]|[a-z_])+X",
)


def pattern(rng: Random, kind: Kind) -> Damaged:
    """A regular expression that takes twice as long for each letter of a name, and matches none."""
    values = json.loads(kind.files[CONFIG])
    where = rng.choice(("rank_pattern", "alpha_pattern", "target_modules", "exclude_modules"))
    hostile = rng.choice(HOSTILE)
    match where:
        case "target_modules":
            values[where] = f"{hostile}|{re.escape(LONG)}|.*(up|down|embed)"
        case "exclude_modules":
            values[where] = hostile
        case _:
            values[where] = {hostile: 1, **(values.get(where) or {})}
    files = kind.files | {CONFIG: dumped(values).encode()}
    return Damaged(f"{where}: {hostile}", files, forged=not kind.own, ignored=set(HOSTILE))


def placed(rng: Random, kind: Kind) -> Damaged:
    """Something else in place of a file, or a link to it."""
    name = rng.choice((CONFIG, WEIGHTS))
    if rng.random() < 0.1:
        content = kind.files[name]
        link = lambda path: ((path.parent / "else").write_bytes(content), path.symlink_to("else"))[
            1
        ]
        return Damaged(f"{name} is a link to itself elsewhere", kind.files, place={name: link})
    what = rng.choice(list(PLACES))
    return Damaged(f"{name} is {what}", kind.files, place={name: PLACES[what]})


def _length(content: bytes) -> int:
    return struct.unpack("<Q", content[:8])[0]


def _header(content: bytes) -> dict[str, Any]:
    return json.loads(content[8 : 8 + _length(content)])


def _row(shape: Any, start: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


def _packed(header: Any, data: bytes = b"") -> bytes:
    text = dumped(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _with_header(files: Files, header: Any) -> Files:
    content = files[WEIGHTS]
    return files | {WEIGHTS: _packed(header, content[8 + _length(content) :])}
