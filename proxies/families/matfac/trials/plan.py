"""Which sweeps are run, on how many problems each, and which have one learning rate."""

from typing import Any

Key = tuple[str, str, str]
"""target, optimizer, method"""

TARGETS = ("gauss", "ill", "well")
METHODS = ("OP bias", "OP default", "OP linear", "scalar", "direct", "direct, large A")
SCALED = ("ScaledGD", "Nyström + ScaledGD")  # preconditioned SGD, so they have no other optimizer
# the slowest sweeps first, so that the cores finish together
OPTIMIZERS = ("Adam", "momentum", "SGD")
COMPARED = {
    *(
        (target, optimizer, method)
        for target in ("gauss", "ill")
        for optimizer in OPTIMIZERS
        for method in ("OP bias", "direct")
    ),
    ("gauss", "SGD", "OP linear"),
    ("ill", "SGD", "ScaledGD"),
}
FIXED = {
    ("gauss", "Adam"): 1e-3,
    ("gauss", "SGD"): 1e-2,
    ("ill", "Adam"): 1e-4,
    ("ill", "SGD"): 1e-2,
}
"""OP10: one learning rate for all methods."""
CONTROLS = {"OP10": "LoRA", "OP10b": "LoRA, first step", "OP10c": "LoRA, last step"}
"""What OP-LoRA is compared with at that learning rate, by claim; OP10c by SGD alone."""
CONVERGED = {"OP12": "gauss", "OP12d": "ill"}
"""The target on which steps are counted, by claim."""
UNCONVERGED = "ill"
"""OP12b, OP12c: the target on which most runs have not converged to rounding after 1000 steps."""
SCALES = ((32, 32), (32, 2), (8, 32))
"""OP8: width m and embedding size k"""
TOO_LARGE = 0.3
"""OP13: for SGD on gauss, a learning rate too large for a generator network and not for LoRA."""

# Sweeps of one learning rate are cheap, and 60 of 60 puts a proportion's lower limit above 0.9 at a
# second look, too.
FIXED_SEEDS = 60
CONTEXT_SEEDS = 4  # of a sweep that is shown beside the compared ones and decides no claim
COMPARED_PER_DECADE, PER_DECADE = 6, 3  # learning rates, of a compared sweep and of another
# Adam cannot do without the 1797 rows of digits, which makes a generator network 37 times as dear
# as at 24 x 16.
DIGITS_SEEDS = 3
TOO_DEAR = {("digits", "Adam", "OP default"), ("digits", "Adam", "OP linear")}


def targets(wanted: str, claims_only: bool) -> tuple[str, ...]:
    """The targets that a choice of the user stands for."""
    if wanted != "synthetic":
        return (wanted,)
    return ("gauss", "ill") if claims_only else TARGETS


def keys(targets: tuple[str, ...], claims_only: bool) -> list[Key]:
    """The sweeps with a search for the learning rate, in the order in which they are run."""
    every = [
        (target, optimizer, method)
        for optimizer in OPTIMIZERS
        for target in targets
        for method in METHODS
    ]
    every += [(target, "SGD", method) for target in targets for method in SCALED]
    return [key for key in every if key not in TOO_DEAR and (key in COMPARED or not claims_only)]


def seeds(key: Key, wanted: int) -> int:
    """The problems of a sweep, where the compared ones have as many as are wanted."""
    if key in COMPARED:
        return wanted
    return min(wanted, DIGITS_SEEDS if key[0] == "digits" else CONTEXT_SEEDS)


def per_decade(key: Key) -> int:
    return COMPARED_PER_DECADE if key in COMPARED else PER_DECADE


def shapes(rows: int, columns: int, rank: int) -> tuple[tuple[int, int, int], ...]:
    """Rows, columns and rank of the targets of OP10: as configured, larger, and wide."""
    return (rows, columns, rank), (2 * rows, 2 * columns, rank + 1), (columns, 2 * rows, rank)


def at_one_rate(id: str) -> list[tuple[str, str]]:
    """Target and optimizer of the checks of OP10, OP10b and OP10c."""
    return [key for key in FIXED if id != "OP10c" or key[1] == "SGD"]


def fixed(targets: tuple[str, ...]) -> dict[tuple[str, str], float]:
    """OP10: the learning rate by target and optimizer."""
    return {key: rate for key, rate in FIXED.items() if key[0] in targets}


def too_large(targets: tuple[str, ...]) -> dict[Key, float]:
    """OP13: a ReLU and a linear generator network."""
    return {("gauss", "SGD", m): TOO_LARGE for m in ("OP bias", "OP linear") if "gauss" in targets}


def problem(
    target: str, rows: int, columns: int, rank: int, seeds: int, block: int
) -> dict[str, Any]:
    """The arguments that every trial on a target has; digits bring their own sizes."""
    rows, columns = (1797, 64) if target == "digits" else (rows, columns)
    return {
        "target": target,
        "rows": rows,
        "columns": columns,
        "rank": rank,
        "seeds": seeds,
        "block": block,
    }
