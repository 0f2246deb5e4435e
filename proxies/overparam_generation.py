"""Over-parameterised LoRA (OP-LoRA, arXiv:2412.10362) on image generation: digits by flow matching.

A base that draws the digits 0 to 4 is adapted to the digits 5 to 9, or to the digits 0 to 4
inverted, by LoRA, OP-LoRA, DoRA and OP-DoRA on all of its four layers. Every method and rank has a
sweep of learning rates, all rates and seeds as one batch, extended until its optimum and its window
of good rates are inside. Images are compared with real ones by CMMD as it is defined and by an MMD
with the median bandwidth, in the features of a classifier.
"""

from dataclasses import dataclass
from typing import Any

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.overparam_generation import evidence
from proxies.families.overparam_generation import tables as show
from proxies.families.overparam_generation.claims import CLAIMS, RANKS
from proxies.families.overparam_generation.evidence import NEW, STYLE
from proxies.families.overparam_generation.trials import cost, facts, scores
from proxies.families.overparam_generation.trials import sweep as sweeping
from proxies.families.overparam_generation.trials.training import Plan
from proxies.instruments import digit_networks, digit_targets
from proxies.instruments.flow_matching import SHAPES
from theory.overparam_generation import distances as theory

REPEATS, DEFINITIONS = 400, 20  # draws of the null, and of images chosen for their mean
FIRST = 3000  # seed of the base and of the classifier, and the first one of the splits
SLOWEST = ("OP-DoRA", "OP-LoRA", "DoRA", "LoRA")  # first, so that the cores finish together


@dataclass(frozen=True)
class Config:
    seeds: int = 12
    """splits of the target, starts and noises, seeded 3000, 3001, ..., each the same for every
    method"""
    style_seeds: int = 6
    """the same for the new style; 0 leaves it out"""
    steps: int = 600
    """of Adam, on batches of 64, the rate falling to zero"""
    pretraining: int = 10_000
    """steps of the base, on batches of 256"""

    dora: bool = True
    """DoRA and OP-DoRA too"""
    timing: bool = True
    """time what making the factors takes of a step (OP16b)"""

    def __post_init__(self) -> None:
        for name, least, reason in (
            ("seeds", 5, "for an interval"),
            ("steps", 100, "for the adapters to learn"),
            ("pretraining", 500, "for the base to draw digits"),
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"--{name} must be at least {least} {reason}, got {getattr(self, name)}"
                )
        if self.style_seeds and self.style_seeds < 5:
            raise ValueError(
                f"--style_seeds must be 0 or at least 5 for an interval, got {self.style_seeds}"
            )


def measure(config: Config, memo: Memo) -> Evidence:
    base = memo(digit_networks.base, steps=config.pretraining, seed=FIRST)
    classifier = memo(digit_networks.judge, seed=FIRST)
    # what the two are known by, in a cell's key
    networks = {"pretraining": config.pretraining, "seed": FIRST}

    def problem(target: str, seeds: int) -> scores.Problem:
        judge = digit_networks.Judge(classifier["layers"])
        return scores.problem(
            digit_networks.read(base["layers"]), judge, target, range(FIRST, FIRST + seeds)
        )

    def sweep(target: str, method: str, rank: int, seeds: int, steps: int, **networks: Any) -> Any:
        return sweeping.swept(problem(target, seeds), method, rank, Plan(steps))

    def anchors(target: str, seeds: int, **networks: Any) -> Any:
        return scores.anchors(problem(target, seeds))

    def definition(repeats: int, seeds: int, **networks: Any) -> Any:
        judge = digit_networks.Judge(classifier["layers"])
        return {
            "null": facts.null(judge, repeats, FIRST),
            "diversity": [facts.diversity(judge, FIRST + i) for i in range(seeds)],
            "pairs": facts.pairs(judge, FIRST),
        }

    seeds = {NEW: config.seeds, STYLE: config.style_seeds}
    methods = [method for method in SLOWEST if config.dora or "DoRA" not in method]
    keys = [
        (t, method, rank)
        for rank in reversed(RANKS)
        for method in methods
        for t in seeds
        if seeds[t]
    ]
    cells = [
        {
            "target": t,
            "method": method,
            "rank": rank,
            "seeds": seeds[t],
            "steps": config.steps,
            **networks,
        }
        for t, method, rank in keys
    ]
    swept = dict(zip(keys, memo.map(sweep, cells), strict=True))
    known = {t: memo(anchors, target=t, seeds=config.seeds, **networks) for t in seeds}
    ends = memo.map(facts.ends, [{"seed": FIRST + i} for i in range(config.seeds)])
    found = memo(definition, repeats=REPEATS, seeds=DEFINITIONS, **networks)
    measured = (
        evidence.definition(ends, found["null"], found["diversity"], known, found["pairs"])
        | evidence.comparisons(swept)
        | evidence.cost(*_cost(memo, config.timing))
    )
    tables = {
        f"{t}: means over seeds at the best rate": show.rows(t, swept) for t in seeds if seeds[t]
    }
    tables |= {
        "What distances mean, the mean over seeds": show.anchors(known),
        "CMMD of unlike sets": found["pairs"],
    }
    real = {
        t: scores.pixels(digit_targets.of(labels)[: scores.SHOWN])
        for t, labels in digit_targets.TARGETS.items()
    }
    data = {
        "series": [show.series(key, cell) for key, cell in swept.items()],
        "grids": show.grids(swept),
        "base": known[NEW]["images"],
        "real": real,
        "anchors": {t: show.level(known[t]["scores"]) for t in seeds},
    }
    return Evidence(measured, data, tables)


def _cost(memo: Memo, timing: bool) -> tuple[dict[str, Any], int, list[float]]:
    """Counts by variant with what theory states, that of LLaMA-7B, and the shares of a step, none
    without timing."""
    counts = {}
    for variant in ("overparam", "op_dora"):
        points = [
            {"shapes": [list(shape) for shape in SHAPES], "rank": rank, "variant": variant}
            for rank in RANKS
        ]
        stated = [
            theory.generator_parameters(
                list(SHAPES), rank, cost.WIDTH, cost.WIDTH, variant == "op_dora"
            )
            for rank in RANKS
        ]
        found = memo.map(cost.counts, points)
        counts[variant] = [
            {**one, "stated": number} for one, number in zip(found, stated, strict=True)
        ]
    llama = memo(
        cost.counts, shapes=[list(shape) for shape in cost.LLAMA] * 32, rank=32, variant="overparam"
    )
    timed = {"width": 1024, "depth": 6, "tokens": 2048, "rank": 16, "repeats": 9, "seed": FIRST}
    return counts, llama["trained"], memo(cost.shares, **timed)["shares"] if timing else []


PROXY = Proxy(
    "overparam_generation",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=5, style_seeds=0, steps=300, pretraining=2000, dora=False, timing=False),
)

if __name__ == "__main__":
    PROXY.main()
