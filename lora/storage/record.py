"""The record: what `load` needs beyond the tensors, in the safetensors metadata, which PEFT does
not read.

    "1a2b3c4d {...}"    the CRC-32 of the JSON after the space, and the JSON

It holds the config, the layers with a frozen pair, a CRC-32 of every tensor with its type and
shape, and one of adapter_config.json. So whatever a record says is under a checksum, and what is
read from both files is known to belong together. The checksums are against accident: they show
every burst of up to 32 bits, and other damage but for one case in 2^32; no checksum inside a file
would stop a forger.

Earlier files have a record of JSON alone, without a checksum of its own. What it says is compared
with adapter_config.json, as with every record: `check_agreement`.
"""

import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from lora.config import Config
from lora.kinds import INT, NAME, OBJECT, STRING, about, check_keys, either, listed, named, parsed
from lora.storage.tensors import raw

KEY = "loralab"
KINDS = {
    "config": either(OBJECT, STRING),
    "start": listed(NAME),
    "crc32": named(INT),
    "description": INT,
}


@dataclass(frozen=True)
class Record:
    """What was saved.

    Args:
        config: by which the tensors are read.
        with_frozen: the layers with a frozen pair.
        checksums: of the tensors, by key.
        description: of adapter_config.json.
        signed: whether the record itself had a checksum; the tensors' then cover type and shape.
    """

    config: Config
    with_frozen: tuple[str, ...]
    checksums: dict[str, int]
    description: int
    signed: bool = True

    @classmethod
    def of(
        cls, config: Config, with_frozen: Iterable[str], tensors: Mapping[str, Tensor], text: bytes
    ) -> "Record":
        """The record of these tensors, and of `text`, which will be adapter_config.json."""
        checksums = {key: _checksum(tensor) for key, tensor in tensors.items()}
        return cls(config, tuple(with_frozen), checksums, zlib.crc32(text))

    def to_text(self) -> str:
        values = {
            "config": asdict(self.config),
            "start": list(self.with_frozen),
            "crc32": self.checksums,
            "description": self.description,
        }
        text = json.dumps(values, sort_keys=True)
        return f"{zlib.crc32(text.encode()):08x} {text}"

    @classmethod
    def from_text(cls, text: str) -> "Record":
        """The inverse of `to_text`; raises ValueError for a damaged record."""
        signed = not text.startswith("{")
        if signed:
            checksum, _, text = text.partition(" ")
            if checksum != f"{zlib.crc32(text.encode()):08x}":
                raise ValueError("its record is damaged, its checksum does not match")
        values = parsed(text, "its record")
        check_keys("its record", values, KINDS)
        config: Any = values["config"]
        with about("its record"):
            config = Config.from_json(config if isinstance(config, str) else json.dumps(config))
        found = tuple(values["start"]), values["crc32"], values["description"]
        return cls(config, *found, signed)

    def check_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Raise ValueError naming a tensor that is not the one saved."""
        check_same_keys(tensors.keys(), self.checksums.keys())
        for key, tensor in tensors.items():
            if _checksum(tensor, described=self.signed) != self.checksums[key]:
                raise ValueError(f"{key} is damaged, its checksum does not match")

    def check_agreement(self, theirs: Config, layers: Iterable[str]) -> None:
        """Raise ValueError where adapter_config.json, which is as it was saved, says something
        else of these layers."""
        ours = self.config
        for name in layers:
            rank = ours.rank_of(name)
            width = rank * (1 + (name in self.with_frozen))
            if theirs.rank_of(name) != width:
                raise _disagreement(f"rank {width} for {name}", theirs.rank_of(name))
            scale, other = ours.scale_of(name, rank), theirs.scale_of(name, width)
            if not math.isclose(scale, other, rel_tol=1e-9):  # roots are rounded
                raise _disagreement(f"scale {scale:g} for {name}", f"{other:g}")
        for key in ("dropout", "rank_stabilized", "variant"):
            if getattr(ours, key) != getattr(theirs, key):
                raise _disagreement(f"{key} {getattr(ours, key)!r}", repr(getattr(theirs, key)))


def check_same_keys(found: Iterable[str], wanted: Iterable[str]) -> None:
    """Raise ValueError naming a tensor that is missing, or that belongs to no layer."""
    found, wanted = set(found), set(wanted)
    if missing := sorted(wanted - found):
        raise ValueError(f"it lacks {missing[0]} ({len(missing)} missing in all)")
    if extra := sorted(found - wanted):
        raise ValueError(
            f"it holds {extra[0]}, which belongs to no adapted layer ({len(extra)} such in all)"
        )


def _checksum(tensor: Tensor, described: bool = True) -> int:
    start = zlib.crc32(f"{tensor.dtype} {tuple(tensor.shape)}".encode()) if described else 0
    return zlib.crc32(raw(tensor), start)


def _disagreement(ours: str, theirs: Any) -> ValueError:
    return ValueError(
        f"its record is damaged: it says {ours}, and adapter_config.json, which is as it was "
        f"saved, {theirs}"
    )
