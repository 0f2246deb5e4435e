"""Learning rates of LoRA in wide networks: which are stable, and which train both factors."""

from theory.lr_stability.cycles import maximum_cycle_mean
from theory.lr_stability.dynamics import Readout, Scale
from theory.lr_stability.initializations import OTHERS, STARTS, Start, data_A, random_A, start_of
from theory.lr_stability.orders import ALIGNED, HALF, INDEPENDENT, ZERO, Form, power
from theory.lr_stability.plane import HalfPlane, Piece, corners, inside, largest_equal_rate
from theory.lr_stability.stability import (
    READOUTS,
    efficient_set,
    exponents,
    lr_rule,
    max_single_lr,
    must_be_bounded,
    rank_exponent,
    rank_transfer_point,
    stable_region,
    transfer_point,
)

__all__ = [
    "ALIGNED",
    "HALF",
    "INDEPENDENT",
    "OTHERS",
    "READOUTS",
    "STARTS",
    "ZERO",
    "Form",
    "HalfPlane",
    "Piece",
    "Readout",
    "Scale",
    "Start",
    "corners",
    "data_A",
    "efficient_set",
    "exponents",
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
    "stable_region",
    "start_of",
    "transfer_point",
]
