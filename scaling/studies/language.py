"""What papers say of initializations and variants of LoRA, looked for on a language model: `python
-m scaling.studies.language`.

SmolLM2-135M goes on with scientific docstrings as plain text; with --full it also learns to follow
an instruction and to classify. Every method has its own learning rates, three or five around the
best one in exploration, and the choice among them is part of every interval. Where an
initialization has another size than the default's, a control has the size without the directions. A
run takes 40 to 60 seconds where two share two cores. The default size has some 270 runs, of the
methods that the six papers of this project are about: four hours, estimated. --full adds the other
methods and tasks, some 470 runs: six hours, estimated. --only compares the methods alone that a
claim speaks of: LoRA, EVA and orthogonal, for LM1, in some 80 runs. All go on after a kill.
"""

from dataclasses import dataclass

from loralab.memo import Memo
from loralab.names import check_known
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.language import CLAIMS
from scaling.studies.claims.language.checks import MARGIN
from scaling.studies.trials.methods import CORE, METHODS, ON_TASKS

TEXT = ("text",)


@dataclass(frozen=True)
class Config:
    """The size of the comparison."""

    steps: int = 40
    """Training steps of a run, of 256 tokens on the text."""
    seeds: int = 6
    """Seeds of every method at each of its learning rates. A seed draws the text, its split, the
    initialization and the order of the batches."""
    block: int = 21_000
    """First seed; the seeds are those from there on."""
    tasks: tuple[str, ...] = TEXT
    """What the model learns, of text, instructions and classification; text is always among
    them."""
    every: bool = False
    """Compare every method, not those alone that the papers of this project are about."""
    only: tuple[str, ...] = ()
    """Compare these methods alone, LoRA and others: what a claim about them needs."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("seeds", 1), ("block", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least}, got {value}")
        known = ("text", "instructions", "classification")
        if TEXT[0] not in self.tasks or not {*self.tasks} <= {*known}:
            raise ValueError(
                f"--tasks must be text and others of {', '.join(known)}, got {' '.join(self.tasks)}"
            )
        for name in self.only:
            check_known("method", name, (*METHODS,))
        if self.only and "LoRA" not in self.only:
            raise ValueError(f"--only must have LoRA among them, got {', '.join(self.only)}")

    @property
    def reduced(self) -> bool:
        """Too small for intervals over seeds."""
        return self.seeds < 3


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    import numpy as np

    from scaling.comparison.driver import mapped
    from scaling.comparison.report import records
    from scaling.comparison.summary import summarise
    from scaling.studies import tables
    from scaling.studies.evidence.language import Study, evidence, nothing
    from scaling.studies.trials import language as trials

    seeds = range(config.block, config.block + config.seeds)
    of_text = config.only or ((*METHODS,) if config.every else CORE)
    if config.reduced:
        run = trials.run("text", config.steps, config.block, limit=2)
        _, outcomes = trials.compared(run, ("LoRA",), seeds, memo)
        rows = summarise(outcomes, "LoRA", MARGIN, np.random.default_rng(0))
        return Evidence(nothing(), {}, {tables.EACH: records(rows)})
    found, base, shown = {}, {}, {}
    for task in config.tasks:
        names = [name for name in of_text if task in TEXT or name in ON_TASKS]
        run = trials.run(task, config.steps, config.block)
        methods, found[task] = trials.compared(run, names, seeds, memo)
        if run.data.task == "causal_lm":
            each = [methods["LoRA"].at(run.lr, seed) for seed in seeds]
            base[task] = dict(zip(seeds, mapped(trials.base_loss, each, memo), strict=True))
        rows = summarise(found[task], "LoRA", MARGIN, np.random.default_rng(0))
        shown[f"{task}: {tables.EACH}"] = records(rows)
    study = Study(found, base, seeds)
    return Evidence(evidence(study), tables.language(study), shown)


PROXY = Proxy(
    "language",
    Config,
    CLAIMS,
    measure,
    quick=Config(steps=1, seeds=1, block=0),
    package="scaling.studies",
    full=Config(tasks=("text", "instructions", "classification"), every=True),
)

if __name__ == "__main__":
    PROXY.main()
