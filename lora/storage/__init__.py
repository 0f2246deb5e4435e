"""Adapters on disk, in PEFT's format: adapter_config.json beside adapter_model.safetensors.

What stock PEFT reads is a plain LoRA adapter. One with a frozen pair, B0 A0 != 0, is written with
rank 2 r,

    s (B A - B0 A0) = s [B, -B0] [A; A0],                                                        (1)

with alpha doubled (times sqrt 2 when rank-stabilised), so that PEFT computes the same scale s. Our
own settings and a CRC-32 of every tensor are the record (`lora.storage.record`) in the safetensors
metadata, which PEFT does not read: with it `load` gives back exactly what was saved, the frozen
pair included. A pickle is never opened.

Of a variant the function is saved, not its way of being trained: `load` gives the variant's
`exported_as`, and what continues a training run is its trained state (`lora.state`).
"""

from lora.storage.files import CONFIG, WEIGHTS
from lora.storage.loading import load
from lora.storage.saving import save
from lora.storage.swapping import swap

__all__ = ["CONFIG", "WEIGHTS", "load", "save", "swap"]
