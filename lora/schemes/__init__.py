"""Initialization schemes: the initial factors (B, A) of the update s B A of a frozen weight W.

A scheme is a pure function of the weight and a random generator: it touches no module, no device
state and never the global generator. W is (out, in), B is (out, r), A is (r, in). Where B A != 0
the layer carries the factors as a frozen pair too, so training begins at the pretrained function
with every scheme. A scheme never changes W.

The rules below all take W, the rank r, a random generator rng and the scale s; their docstrings
list the options, and their annotations say what an option may be.
"""

from lora.schemes.gradient import gradient_signal, lora_ga, lora_one, nystrom_grad, tsd_init
from lora.schemes.inputs import corda, eva
from lora.schemes.random import gaussian, init_a, init_b, orthogonal
from lora.schemes.scheme import Factors, Scheme
from lora.schemes.weight import mica, milora, nystrom, olora, pissa

__all__ = ["SCHEMES", "Factors", "Scheme"]

SCHEMES = {
    "init_a": Scheme(init_a, "nothing", "2106.09685", zero_product=True),
    "init_b": Scheme(init_b, "nothing", "2406.08447", zero_product=True),
    "gaussian": Scheme(gaussian, "nothing", "2106.09685", zero_product=True),
    "orthogonal": Scheme(orthogonal, "nothing", "2402.16842", zero_product=True),
    "pissa": Scheme(pissa, "weight", "2404.02948"),
    "milora": Scheme(milora, "weight", "2406.09044"),
    "olora": Scheme(olora, "weight", "2406.01775"),
    "mica": Scheme(mica, "weight", "2604.01694", zero_product=True),
    "nystrom": Scheme(nystrom, "weight", "2410.18965", zero_product=True),
    "eva": Scheme(eva, "inputs", "2410.07170", zero_product=True, sharing=("rho",)),
    "corda": Scheme(corda, "inputs", "2406.05223"),
    "lora_ga": Scheme(lora_ga, "gradient", "2407.05000", pairs=2, reads="G"),
    "lora_one": Scheme(lora_one, "gradient", "2502.01235", reads="G"),
    "nystrom_grad": Scheme(nystrom_grad, "gradient", "derived", zero_product=True, reads="G"),
    "gradient_signal": Scheme(
        gradient_signal,
        "gradient",
        "derived",
        zero_product=True,
        sharing=("rho", "per_parameter"),
        reads="Q",
    ),
    "tsd_init": Scheme(tsd_init, "gradient", "2409.01035", reads="G"),
}
