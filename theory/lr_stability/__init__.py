"""Learning rates of LoRA in wide networks: which are stable, and which train both factors."""

from theory.lr_stability.cycles import maximum_cycle_mean
from theory.lr_stability.dynamics import (
    READOUTS,
    SCALES,
    SETTLED,
    Exponents,
    Readout,
    Scale,
    exponents,
    sgd_cycle,
    sgd_transitions,
)
from theory.lr_stability.initializations import (
    INITIALIZATIONS,
    OTHERS,
    Initialization,
    data_A,
    initialization_of,
    random_A,
)
from theory.lr_stability.orders import ALIGNED, HALF, INDEPENDENT, ZERO, Form, power
from theory.lr_stability.plane import HalfPlane, Piece, corners, inside, largest_equal_rate
from theory.lr_stability.stability import (
    max_single_lr,
    must_be_bounded,
    rank_exponent,
    stable_region,
)
from theory.lr_stability.transfer import (
    efficient_set,
    lr_rule,
    rank_transfer_point,
    transfer_point,
)

__all__ = [
    "ALIGNED",
    "HALF",
    "INDEPENDENT",
    "INITIALIZATIONS",
    "OTHERS",
    "READOUTS",
    "SCALES",
    "SETTLED",
    "ZERO",
    "Exponents",
    "Form",
    "HalfPlane",
    "Initialization",
    "Piece",
    "Readout",
    "Scale",
    "corners",
    "data_A",
    "efficient_set",
    "exponents",
    "initialization_of",
    "inside",
    "largest_equal_rate",
    "lr_rule",
    "max_single_lr",
    "maximum_cycle_mean",
    "must_be_bounded",
    "power",
    "random_A",
    "rank_exponent",
    "rank_transfer_point",
    "sgd_cycle",
    "sgd_transitions",
    "stable_region",
    "transfer_point",
]
