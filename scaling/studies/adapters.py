"""What papers say adapters hold, looked for in a language model: `python -m
scaling.studies.adapters`.

Where the first gradients of SmolLM2-135M lie beside EVA's directions, what the factors of LoRA keep
of their initialization and of a task, how large the features are that they work with, and which
directions of a weight change first. The runs of LoRA are those of `scaling.studies.language` on
the same seeds. Fifty minutes of two cores, those runs included; goes on after a kill.
"""

from dataclasses import dataclass

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.adapters import CLAIMS
from scaling.studies.claims.language.checks import STEPS


@dataclass(frozen=True)
class Config:
    """The size of the study."""

    seeds: int = 6
    """Seeds, an even number, as they are compared two by two. A seed draws the text, its split, the
    initialization and the order of the batches."""
    block: int = 20_000
    """First seed; the seeds are those from there on."""

    def __post_init__(self) -> None:
        if self.seeds < 1 or (self.seeds > 1 and self.seeds % 2):
            raise ValueError(f"--seeds must be an even number, or 1, got {self.seeds}")
        if self.block < 0:
            raise ValueError(f"--block must be at least 0, got {self.block}")

    @property
    def reduced(self) -> bool:
        """Too small for intervals over seeds."""
        return self.seeds < 4


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from scaling.comparison.driver import mapped
    from scaling.comparison.summary import chosen
    from scaling.studies.evidence.adapters import Pair, Study, evidence, nothing
    from scaling.studies.evidence.quantities import FEATURES
    from scaling.studies.trials import language
    from scaling.studies.trials.adapters import directions, signals, similarities
    from scaling.studies.trials.features import inner_features, untrained_features

    seeds = range(config.block, config.block + config.seeds)
    run = language.run("text", STEPS, config.block)
    if config.reduced:
        found = mapped(signals, [run.replace(length=16)], memo)
        return Evidence(nothing(), {}, {"gradient signal": found})
    methods, outcomes = language.compared(run, FEATURES, seeds, memo)
    # Init[A] is measured at the learning rates of Init[B] too
    rates = sorted({rate for name in FEATURES for rate in outcomes[name]})
    wanted = [(name, rate, seed) for name in FEATURES for rate in rates for seed in seeds]
    sizes = mapped(inner_features, [methods[n].at(rate, seed) for n, rate, seed in wanted], memo)
    by_trial = dict(zip(wanted, sizes, strict=True))
    features = {
        name: {rate: [by_trial[name, rate, seed] for seed in seeds] for rate in rates}
        for name in FEATURES
    }
    starts = [methods[FEATURES[0]].at(rates[0], seed) for seed in seeds]
    tasks = {"text": (methods, outcomes)}
    other = language.run("instructions", STEPS, config.block)
    tasks["instructions"] = language.compared(other, FEATURES[:1], seeds, memo)
    best = {}
    for task, (of_task, found) in tasks.items():
        rate = chosen(found["LoRA"], seeds)
        assert rate is not None
        best[task] = [of_task["LoRA"].at(rate, seed) for seed in seeds]
    pairs = [
        Pair(
            same_seed=similarities([(text[i], said[i]), (text[j], said[j])], memo),
            same_task=similarities([(text[i], text[j]), (said[i], said[j])], memo),
            neither=similarities([(text[i], said[j]), (text[j], said[i])], memo),
        )
        for text, said in [(best["text"], best["instructions"])]
        for i, j in zip(range(0, len(seeds), 2), range(1, len(seeds), 2), strict=True)
    ]
    study = Study(
        outcomes,
        seeds,
        features,
        mapped(untrained_features, starts, memo),
        mapped(signals, starts, memo),
        pairs,
        mapped(directions, [methods["LoRA"].at(language.BEST["LoRA"], s) for s in seeds], memo),
    )
    shown = {
        "gradient signal": list(study.signals),
        "core directions": [
            {"seed": seed, "ranked by": kind, **found}
            for seed, each in zip(seeds, study.directions, strict=True)
            for kind, found in each.items()
        ],
    }
    data = {
        "signals": list(study.signals),
        "pairs": [{name: getattr(pair, name) for name in pair._fields} for pair in pairs],
    }
    return Evidence(evidence(study), data, shown)


PROXY = Proxy(
    "adapters",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=1, block=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
