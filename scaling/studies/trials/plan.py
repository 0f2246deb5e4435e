"""The methods that the studies compare, the run that all of them share, and the grid."""

from collections.abc import Sequence
from typing import Any

from loralab.memo import Memo
from scaling.comparison.axes import Grid
from scaling.comparison.driver import outcomes_of
from scaling.comparison.grid import Method, methods
from scaling.comparison.summary import Outcomes
from scaling.core.config import Config as FineTuneConfig
from scaling.studies.claims.findings import MARGIN
from scaling.studies.size import Config

LEARNING_RATES = (1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2)
# half of their spacing, for claims about where the best one lies
FINE = (1e-4, 1.8e-4, 3.2e-4, 5.6e-4, 1e-3, 1.8e-3, 3.2e-3, 5.6e-3, 1e-2)
# LoRA-Dash's authors choose the directions after 100 of about 32000 steps: an eighth of a step here
LAUNCH = 1
METHODS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "Init[B]": {"scheme": "init_b"},
    "EVA": {"scheme": "eva"},
    "orthogonal": {"scheme": "orthogonal"},
    "B alone": {"train_a": False},
    "A alone": {"scheme": "init_b", "train_b": False},
    "B alone, rank 16": {"train_a": False, "rank": 16, "alpha": 32.0},  # alpha / r stays
    "LoRA, rank 16": {"rank": 16, "alpha": 32.0},
    "OP-LoRA": {"variant": "overparam"},
    "Dash": {"variant": "dash"},
    "Nyström": {"scheme": "nystrom"},
    "gradient Nyström": {"scheme": "nystrom_grad"},
}


def plan(config: Config) -> tuple[FineTuneConfig, Grid]:
    """The run that all methods share, and the grid; `loralab sweep` on them finds the trials of the
    studies in the run store."""
    steps, block = config.steps, config.block
    run = FineTuneConfig.of(
        steps=steps,
        batch=16,
        length=32,
        validate_every=steps,
        launch_step=LAUNCH,
        seed=block,
        precision="float32",  # as registered
    )
    if config.reduced:
        return run.replace(limit=12), Grid((), rates=LEARNING_RATES[2:3], seeds=(block,), widen=0)
    seeds = tuple(range(block, block + config.seeds))
    return run, Grid((), rates=LEARNING_RATES, seeds=seeds, confirm=config.confirm, margin=MARGIN)


def unseen(grid: Grid) -> list[int]:
    """The seeds that have not chosen a learning rate, as `swept` draws them."""
    first = max(grid.seeds) + 1
    return list(range(first, first + grid.confirm))


def compared(
    run: FineTuneConfig, grid: Grid, names: Sequence[str], memo: Memo
) -> tuple[dict[str, Method], Outcomes]:
    """The named methods, and the outcome of each of their trials."""
    chosen = methods(run, grid, {name: METHODS[name] for name in names})
    return chosen, outcomes_of(chosen, grid, memo)
