"""The sweeps that a predicted learning rate is scored by."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from loralab.memo import Memo
from scaling.comparison.axes import Grid
from scaling.comparison.driver import mapped, outcomes_of
from scaling.comparison.grid import STEP, STEPS, methods, rounded
from scaling.comparison.summary import Rates
from scaling.core.config import Config
from scaling.studies.claims.rates import PAIRS, SETTINGS

WIDEN = 2
NAME = "LoRA"


class Scored(NamedTuple):
    """The runs of one pair of model and task.

    Args:
        predicted: the learning rate, one of those tried.
        rates: the runs, by learning rate and seed.
    """

    predicted: float
    rates: Rates


def predicted(settings: dict[str, Any], peft: None) -> float:
    """The learning rate that `loralab advise` predicts for the run's initialization.

    Args:
        settings: those of a `scaling.core.config.Config`, as JSON has them.
        peft: nothing; every trial of a sweep has this argument.
    """
    from lora.targets import targets
    from scaling.advice.rates import common_width, predicted
    from scaling.core.config import training_whole
    from scaling.training.preparation import prepare  # transformers, which takes seconds to load

    config = Config.of(**settings)
    model, _, fresh = prepare(config).loaded
    layers, _ = targets(model, training_whole(config.adapter, fresh))
    rate = predicted(config, config.adapter.scheme, common_width(layers), bool(fresh))
    assert rate is not None  # the optimizer is AdamW
    return rate


def run(pair: str, seed: int) -> Config:
    return Config.of(**SETTINGS | PAIRS[pair].settings, seed=seed)


def scored(pair: str, seeds: Sequence[int], memo: Memo) -> Scored:
    """A sweep around the learning rate that is predicted for a pair."""
    shared = run(pair, seeds[0])
    [rate] = mapped(predicted, [shared], memo)
    rates = tuple(rounded(rate * STEP**k) for k in STEPS)
    grid = Grid((), rates=rates, seeds=tuple(seeds), widen=WIDEN)
    found = outcomes_of(methods(shared, grid, {NAME: {}}), grid, memo)
    return Scored(rounded(rate), found[NAME])
