"""The methods that are compared on the language model, the runs that they share on each task, and
what the base model itself gets."""

from collections.abc import Sequence
from typing import Any

from loralab.memo import Memo
from scaling.comparison.axes import Grid
from scaling.comparison.driver import outcomes_of
from scaling.comparison.grid import STEP, Method, methods, rounded
from scaling.comparison.summary import Outcomes
from scaling.core.config import Config as FineTuneConfig
from scaling.studies.claims.language.checks import LAUNCH

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
METHODS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "Init[B]": {"scheme": "init_b"},
    "orthogonal": {"scheme": "orthogonal"},
    "EVA": {"scheme": "eva"},
    "B alone": {"train_a": False},
    "B alone, rank 16": {"train_a": False, "rank": 16, "alpha": 32.0},  # alpha / r stays
    "A alone, rank 17": {"scheme": "init_b", "train_b": False, "rank": 17, "alpha": 34.0},
    "OP-LoRA": {"variant": "overparam"},
    "Dash": {"variant": "dash"},
    "LoRA-Init": {"scheme": "tsd_init"},
    "Nyström": {"scheme": "nystrom"},
    "PiSSA": {"scheme": "pissa"},
    "full": {"variant": "full"},
    "EVA, rho 2": {"scheme": "eva", "scheme_options": {"rho": 2.0}},
    "PiSSA, random basis": {"scheme": "pissa", "scheme_options": {"basis": "random"}},
    "MiLoRA": {"scheme": "milora"},
    "OLoRA": {"scheme": "olora"},
    "CorDA": {"scheme": "corda"},
    "LoRA-GA": {"scheme": "lora_ga"},
    "LoRA-One": {"scheme": "lora_one"},
    "gradient signal": {"scheme": "gradient_signal"},
    "gradient Nyström": {"scheme": "nystrom_grad"},
    "NoRA+": {"scheme": "nystrom", "optimizer": "scaled_adamw"},
    "LoRA-TSD": {"scheme": "tsd_init", "variant": "tsd"},
    "DoRA": {"variant": "dora"},
    "LoRA+": {"ratio": 16.0},
    "rsLoRA": {"rank_stabilized": True},
    "LoRA, rank 16": {"rank": 16, "alpha": 32.0},
    "OP-LoRA, rank 4": {"variant": "overparam", "rank": 4, "alpha": 8.0},
}
CORE = (*METHODS,)[:13]  # that the default size compares
ON_TASKS = ("LoRA", "Init[B]", "EVA", "B alone, rank 16", "A alone, rank 17")  # besides the text
WIDE = ("LoRA", "Init[B]", "OP-LoRA")  # whose range of good learning rates is compared
# where exploration on the text, seed 0, puts the best learning rate: of those tried, half a decade
# apart, the best one, or the next beyond where the loss still fell fast at the last; that of a
# method of the same size for what was not explored
BEST = {
    "LoRA": 3.2e-3,
    "Init[B]": 1e-3,
    "orthogonal": 3.2e-3,
    "EVA": 1e-3,
    "B alone": 1e-2,
    "B alone, rank 16": 3.2e-3,
    "A alone, rank 17": 1e-3,
    "OP-LoRA": 3.2e-4,
    "Dash": 3.2e-3,
    "LoRA-Init": 3.2e-3,
    "Nyström": 1e-3,
    "PiSSA": 1e-3,
    "full": 3.2e-4,
    "EVA, rho 2": 1e-3,
    "PiSSA, random basis": 1e-3,
    "MiLoRA": 3.2e-3,
    "OLoRA": 3.2e-4,
    "CorDA": 1e-3,
    "LoRA-GA": 1e-3,
    "LoRA-One": 3.2e-3,
    "gradient signal": 1e-3,
    "gradient Nyström": 3.2e-3,
    "NoRA+": 1e-3,
    "LoRA-TSD": 3.2e-3,
    "DoRA": 3.2e-3,
    "LoRA+": 3.2e-4,
    "rsLoRA": 1e-3,
    "LoRA, rank 16": 3.2e-3,
    "OP-LoRA, rank 4": 3.2e-4,
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
