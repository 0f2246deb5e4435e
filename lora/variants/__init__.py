"""Variants: which parameters a low-rank update has while it is trained.

Each is a class on the layer of `lora.layer`, begins at the pretrained function exactly, and is
saved as an adapter that stock PEFT loads with equal outputs. Its `Options` are what
`Config.variant_options` may hold.
"""

from lora.layer import LoRALinear
from lora.variants.dash import Dash, Tsd, launch
from lora.variants.dora import Dora
from lora.variants.op_dora import OverparamDora
from lora.variants.overparam import Overparam, accumulate
from lora.variants.plain import Plain

__all__ = ["VARIANTS", "accumulate", "launch"]

VARIANTS: dict[str, type[LoRALinear]] = {
    "plain": Plain,
    "overparam": Overparam,
    "dash": Dash,
    "tsd": Tsd,
    "dora": Dora,
    "op_dora": OverparamDora,
}
