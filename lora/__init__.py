"""Low-rank adapters for frozen linear layers: initialization schemes, one fused layer, PEFT's file
format.

The convention, stated once:

    y = W x + b + s (B A - B0 A0) x,    s = alpha / r, or alpha / sqrt(r) when rank-stabilised,

with the frozen base weight W (out, in), the trained factors B (out, r) and A (r, in), and the
frozen initial pair (B0, A0). A layer carries the pair only where B0 A0 is not zero, so training
begins at the pretrained function with every scheme. The base weight W is never modified. Papers
that swap A and B are translated at the door.
"""

from lora.callback import callback
from lora.collect import collect
from lora.config import Config
from lora.disabling import disabled
from lora.groups import param_groups
from lora.layer import LoRALinear
from lora.model import adapters, attach, detach, merge, unmerge
from lora.optimizers import OPTIMIZERS
from lora.peft_model import initialize_peft
from lora.report import LayerReport, Report
from lora.schemes import SCHEMES, Factors, Scheme
from lora.spectrum import LayerSpectrum, Spectrum, spectrum
from lora.stacked import Stack, stack
from lora.statistics import Statistics, merged
from lora.storage import load, save, swap
from lora.variants import VARIANTS, accumulate, launch

__all__ = [
    "OPTIMIZERS",
    "SCHEMES",
    "VARIANTS",
    "Config",
    "Factors",
    "LayerReport",
    "LayerSpectrum",
    "LoRALinear",
    "Report",
    "Scheme",
    "Spectrum",
    "Stack",
    "Statistics",
    "accumulate",
    "adapters",
    "attach",
    "callback",
    "collect",
    "detach",
    "disabled",
    "initialize_peft",
    "launch",
    "load",
    "merge",
    "merged",
    "param_groups",
    "save",
    "spectrum",
    "stack",
    "swap",
    "unmerge",
]
