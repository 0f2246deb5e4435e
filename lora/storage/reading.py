"""What a folder holds, checked: the config, and the parts of each layer."""

import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from lora.bases import base_of, weight_of
from lora.config import Config
from lora.kinds import about
from lora.peft_config import from_peft, is_ours
from lora.schemes import SCHEMES, Factors
from lora.storage.files import CONFIG, WEIGHTS, locked
from lora.storage.record import KEY, Record, check_same_keys
from lora.storage.tensors import (
    MAGNITUDE,
    by_full_names,
    check_finite,
    from_file,
    key_of,
    keys_of,
)


@dataclass(frozen=True)
class Parts:
    """One layer's: (B, A), the frozen pair (B0, A0) if it has one, the DoRA magnitudes if it has
    them, and s."""

    factors: Factors
    frozen: Factors | None
    magnitude: Tensor | None
    scale: float


@dataclass(frozen=True)
class Stored:
    """A saved adapter.

    Args:
        config: by which the tensors are read.
        tensors: by PEFT's keys.
        record: what `lora.save` added, None for a file of another program.
        theirs: what adapter_config.json says, None where it is missing or was changed.
        changed_base: whether PEFT subtracted the initial B A from the weight that it trained on.
    """

    config: Config
    tensors: dict[str, Tensor]
    record: Record | None
    theirs: Config | None
    changed_base: bool

    def check(self, bases: Mapping[str, nn.Module], saved: Mapping[str, Tensor]) -> "Stored":
        """The same without copies of base weights, which PEFT adds for embeddings and heads.

        Args:
            bases: the layers that are to be adapted, by name.
            saved: the modules_to_save as they stand, by key.

        Raises: ValueError naming what is missing, does not belong, or is of another shape.
        """
        if self.record is not None and self.theirs is not None:
            self.record.check_agreement(self.theirs, bases)
        wanted = {key for name, base in bases.items() for key in keys_of(name, base)}
        if self.config.variant == "dora":
            wanted |= {key_of(name, MAGNITUDE) for name in bases}
        tensors = _without_bases(self.tensors, bases)
        check_same_keys(tensors, wanted | saved.keys())
        for key in wanted:
            _check_floating(key, tensors[key])
        for key, value in saved.items():
            found = tensors[key]
            if found.shape != value.shape:
                raise ValueError(
                    f"{key} has shape {tuple(found.shape)}, the model's is {tuple(value.shape)}"
                )
            if value.is_floating_point():
                _check_floating(key, found)
            elif found.dtype != value.dtype:
                raise ValueError(f"{key} is of type {found.dtype}, the model's is {value.dtype}")
        return replace(self, tensors=tensors)

    def parts(self, name: str, base: nn.Module) -> Parts:
        """One layer's, on the device of its base layer and in float32 at least; raises ValueError
        for shapes that do not fit it."""
        with_frozen = self.record is not None and name in self.record.with_frozen
        W, rank = weight_of(base), self.config.rank_of(name)
        scale, width = self.config.scale_of(name, rank), rank * (1 + with_frozen)
        A, B = (self.tensors[key] for key in keys_of(name, base))
        if B.shape != (W.shape[0], width) or A.shape != (width, W.shape[1]):
            raise ValueError(
                f"stored are B {tuple(B.shape)} and A {tuple(A.shape)}, but rank {rank} on this "
                f"layer needs ({W.shape[0]}, {width}) and ({width}, {W.shape[1]})"
            )
        dtype = torch.promote_types(torch.promote_types(A.dtype, B.dtype), torch.float32)
        B, A = B.to(W.device, dtype), A.to(W.device, dtype)
        pair = Factors(-B[:, rank:], A[rank:]) if with_frozen else None
        if self.changed_base and not base_of(base).reads_ids:
            # PEFT subtracted this pair from the weight of the model that it trained, except for
            # an embedding's.
            pair = SCHEMES["pissa"](W.detach().to(dtype), rank, scale=scale, exact=True)
        m = self.tensors[key_of(name, MAGNITUDE)] if self.config.variant == "dora" else None
        if m is not None and m.shape != W.shape[:1]:
            raise ValueError(
                f"stored is a magnitude {tuple(m.shape)}, but this layer needs ({W.shape[0]},)"
            )
        return Parts(Factors(B[:, :rank], A[:rank]), pair, m, scale)


def read(folder: Path, names: list[str]) -> Stored:
    """What a folder holds for a model whose modules have these names.

    Raises: FileNotFoundError where a file is missing. ValueError for a damaged file, or settings
        that are not supported.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    with locked(folder, shared=True):
        if not (folder / WEIGHTS).is_file():
            raise _missing(folder, WEIGHTS)
        content = (folder / WEIGHTS).read_bytes()  # at once: through a memory map takes longer
        description = (folder / CONFIG).read_bytes() if (folder / CONFIG).is_file() else None
    with about(folder / WEIGHTS):
        tensors, metadata = from_file(content)
        record = Record.from_text(metadata[KEY]) if KEY in metadata else None
        if record is not None:
            record.check_tensors(tensors)
        for key, tensor in tensors.items():
            check_finite(key, tensor)
    tensors = by_full_names(tensors)
    if record is None:
        if description is None:
            raise _missing(folder, CONFIG)
        with about(folder / CONFIG):
            _check_foreign(description)
            config, changed_base = from_peft(description, names)
        return Stored(config, tensors, None, config, changed_base)
    theirs = None
    if description is None:
        _warn(
            f"there is no {CONFIG} in {folder}: a save was interrupted, or someone removed it; "
            f"the record in {WEIGHTS} is used"
        )
    elif zlib.crc32(description) != record.description:
        _warn(f"{folder / CONFIG} was changed since the save; the record in {WEIGHTS} is used")
    else:
        with about(folder / CONFIG):
            theirs, _ = from_peft(description, names)
    return Stored(record.config, tensors, record, theirs, False)


def module_names(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_modules()]


def _missing(folder: Path, file: str) -> FileNotFoundError:
    return FileNotFoundError(f"there is no {file} in {folder} (pickled weights are never read)")


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def _check_foreign(description: bytes) -> None:
    if is_ours(description):
        raise ValueError(
            f"it was written by lora.save, but {WEIGHTS} beside it has lost its record, which says "
            "what is trained and what is frozen; save the adapter again, or remove auto_mapping "
            "here, which makes it an adapter of PEFT's with everything trained"
        )


def _check_floating(key: str, tensor: Tensor) -> None:
    if not tensor.is_floating_point():
        raise ValueError(f"{key} is of type {tensor.dtype}, which must be a floating-point type")


def _without_bases(
    tensors: Mapping[str, Tensor], layers: Mapping[str, nn.Module]
) -> dict[str, Tensor]:
    """Without the copies of base weights; raises ValueError where one is not the model's own."""
    copies = {key_of(name, "base_layer.weight"): module for name, module in layers.items()}
    for key in tensors.keys() & copies.keys():
        value, weight = tensors[key], copies[key].get_parameter("weight")
        if value.shape != weight.shape or not torch.equal(value.to(weight), weight):
            raise ValueError(
                f"{key} is the weight that the adapter was trained on, and differs from this "
                "model's"
            )
    return {key: value for key, value in tensors.items() if key not in copies}
