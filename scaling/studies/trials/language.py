"""The runs that methods share on each task of the language model, their learning rates, and what
the base model itself gets."""

from collections.abc import Sequence
from typing import Any

from loralab.memo import Memo
from scaling.comparison.axes import Grid
from scaling.comparison.driver import outcomes_of
from scaling.comparison.grid import STEP, Method, methods, rounded
from scaling.comparison.summary import Outcomes
from scaling.core.config import Config as FineTuneConfig
from scaling.studies.claims.language.checks import LAUNCH
from scaling.studies.trials.methods import BEST, METHODS, WIDE

WIDEN = 2
TASKS: dict[str, dict[str, Any]] = {
    "text": {
        "task": "causal_lm",
        "batch": 2,
        "length": 128,
        "task_options": {"built_in": "docstrings"},
    },
    "instructions": {
        "task": "causal_lm",
        "batch": 2,
        "length": 192,
        "limit": 32,
        "task_options": {"samples": 0},
    },
    "classification": {
        "task": "text_classification",
        "model": "smollm2",
        "batch": 8,
        "length": 32,
    },
}


def rates(name: str) -> tuple[float, ...]:
    """The learning rates of a method: its best one by exploration, and those beside it."""
    beside = 2 if name in WIDE else 1
    return tuple(rounded(BEST[name] * STEP**k) for k in range(-beside, beside + 1))


def run(task: str, steps: int, seed: int, limit: int | None = None) -> FineTuneConfig:
    """The run that all methods share on a task."""
    own = TASKS[task] | ({} if limit is None else {"limit": limit})
    return FineTuneConfig.of(
        **own,
        steps=steps,
        validate_every=steps,
        launch_step=min(LAUNCH, max(steps - 1, 1)),
        seed=seed,
        precision="bfloat16",
    )


def compared(
    shared: FineTuneConfig, names: Sequence[str], seeds: Sequence[int], memo: Memo
) -> tuple[dict[str, Method], Outcomes]:
    """The named methods, and the outcome of each of their trials; with one seed at their best
    learning rate alone."""
    search = len(seeds) > 1
    grid = Grid((), seeds=tuple(seeds), widen=WIDEN if search else 0)
    chosen = {
        name: method._replace(rates=rates(name) if search else (BEST[name],))
        for name, method in methods(shared, grid, {name: METHODS[name] for name in names}).items()
    }
    return chosen, outcomes_of(chosen, grid, memo)


def base_loss(settings: dict[str, Any], peft: None) -> float:
    """The test loss of the base model in bits a byte.

    Args:
        settings: those of a run, whose seed draws the test data.
        peft: nothing; every trial of a sweep has this argument.
    """
    from scaling.training.evaluating import measured
    from scaling.training.preparation import prepare  # transformers, which takes seconds to load

    job = prepare(FineTuneConfig.of(**settings))
    held = job.task.examples(job.config, job.loaded, job.data, job.data.test)
    return measured(job, held, None).metrics["bits_per_byte"]
