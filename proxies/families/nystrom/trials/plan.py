"""Which trials the family runs, and on which problems."""

from typing import Any

from loralab.memo import Memo
from proxies.families.nystrom.claims.adaptation import ALIGNMENTS
from proxies.families.nystrom.trials import adaptation, competitors, laws, limits
from proxies.instruments.trial_grid import Records, product, trials

CONDITIONS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
SCALES = (1e-6, 1e-4, 1e-2, 1e-1, 1e1, 1e2, 1e4, 1e6)  # xi of the sketch, beside 1
LEAKS = (1e-1, 1e-3, 1e-6, 1e-9)
ETAS = (0.2, 0.3, 0.4, 0.49, 0.6, 0.8, 0.9)  # those at which convergence is linear
RANDOM_RANKS = (1, 2, 4)
BATCHES = 8  # of random factors, so that they run side by side
SHAPES = ((128, 128), (192, 64), (64, 192), (256, 96))  # of the weights that are adapted, in turn
ORDERS = (("exact", "0.5"), ("over", "0.5"), ("asymmetric", "0.5"), ("exact", "0.4"))


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name. The two that are timed, or import much, come first and
    alone.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    seeds = [config.block + i for i in range(config.seeds)]
    few = seeds[:3]
    # What varies by a tenth from draw to draw, where the laws do not vary at all, is drawn twice
    # as often.
    many = [config.block + i for i in range(2 * config.seeds)]
    square: dict[str, Any] = {"rows": [config.rows], "rank": [config.rank]}
    shape: dict[str, Any] = {**square, "columns": [config.columns]}
    grid = {**square, "condition": CONDITIONS, "seed": seeds}
    orders = [
        {"problem": problem, "eta": eta, **point}
        for problem, eta in ORDERS
        for point in product(rank=[3], condition=[1e1, 1e3, 1e6], seed=few)
    ]
    descents = {"condition": [1e1, 1e2], "eta": [0.5, 0.9], "seed": few}
    batch = {
        "draws": [config.draws // BATCHES],
        "seed": range(config.block, config.block + BATCHES),
    }
    steps = laws.symmetric_steps
    transfers = [
        {"alignment": alignment, "rows": rows, "columns": columns, "seed": seed}
        for alignment in ALIGNMENTS
        for i, seed in enumerate(many)
        for rows, columns in [SHAPES[i % len(SHAPES)]]
    ]
    return {
        "cost": trials(
            memo,
            adaptation.factorisation_cost,
            size=[1024],
            rank=[16],
            seed=seeds[: config.weights],
        ),
        "released": trials(
            memo, adaptation.released_implementations, seed=few if config.peft else []
        ),
        "scalar": trials(memo, laws.scalar_law, **grid, columns=[config.columns]),
        "polar": trials(memo, laws.polar_law, **grid),
        "newton": trials(memo, steps, **square, condition=CONDITIONS, xi=[1.0], seed=many),
        "scales": trials(memo, steps, **square, condition=[1e3], xi=SCALES, seed=seeds),
        "orders": trials(memo, laws.order, orders),
        "tails": trials(memo, laws.tail, **square, eta=ETAS, seed=seeds),
        "others": trials(memo, competitors.other_methods, **grid, steps=[config.steps]),
        "squares": trials(
            memo,
            competitors.least_squares,
            **grid,
            columns=[config.columns],
            steps=[config.steps],
        ),
        "descent": trials(memo, competitors.gradient_descent, **square, **descents),
        "leaks": trials(memo, limits.leak, **square, eta=[0.5], size=LEAKS, seed=seeds),
        "random": trials(memo, limits.random_factors, rank=RANDOM_RANKS, **batch),
        "below": trials(memo, limits.below_rank, gap=[0.5, 0.9, 0.99], eta=[0.5, 0.9], seed=seeds),
        "one step": trials(memo, limits.one_step_below_rank, seed=seeds),
        "transfer": trials(memo, adaptation.transfer, transfers),
        "exponents": trials(memo, adaptation.scale_exponents, **shape, seed=seeds),
    }
