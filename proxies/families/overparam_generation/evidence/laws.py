"""OP14 to OP14c, what distances mean, and OP16 and OP16b, what generator networks cost."""

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, spread
from proxies.families.overparam_generation.claims.cases import RANKS
from proxies.families.overparam_generation.trials.plan import NEW, STYLE, Records, Trials
from proxies.instruments.flow_matching import SHAPES
from theory.overparam_generation import distances as theory

STATED = 1_851_435_008  # trained numbers on LLaMA-7B, as the claim has it
Measurements = dict[str, dict[str, Measured | None]]


def distances(trials: Trials) -> Measurements:
    """OP14, OP14b and OP14c."""
    scores = {target: one["scores"] for target, one in trials.anchors.items()}
    null = trials.definition["null"]
    base = "base CMMD"
    return {
        "OP14": {
            "equal sets": spread(_column(trials.ends, "equal")),
            "opposite points": spread(_column(trials.ends, "opposite")),
            "least beyond means": spread(_column(trials.ends, "least beyond means")),
            "most beyond means": spread(_column(trials.ends, "most beyond means")),
            "means of digits": spread(_column(scores[NEW], "ten times the shift")),
            "null, biased": spread(_column(null, "biased")),
            "null, unbiased": spread(_column(null, "unbiased")),
        },
        "OP14b": {
            "rise": geometric_mean([r["MMD"] / r["CMMD"] for r in trials.definition["diversity"]])
        },
        "OP14c": {
            NEW: spread(_column(scores[NEW], base)),
            STYLE: spread(_column(scores[STYLE], base)),
            "any two sets": _exact(max(_column(trials.definition["pairs"], "CMMD"))),
        },
    }


def cost(trials: Trials) -> Measurements:
    """OP16 and OP16b."""
    return {
        "OP16": {
            "OP-LoRA": _surplus(trials.counts["overparam"], magnitude=False),
            "OP-DoRA": _surplus(trials.counts["op_dora"], magnitude=True),
            "LLaMA-7B": _exact(trials.llama - STATED),
        },
        "OP16b": {"share": mean(trials.shares) if trials.shares else None},
    }


def _surplus(counts: Records, magnitude: bool) -> Measured:
    """Counted less stated, over the ranks."""
    shapes = list(SHAPES)
    stated = [theory.generator_parameters(shapes, rank, 32, 32, magnitude) for rank in RANKS]
    pairs = zip(_column(counts, "trained"), stated, strict=True)
    return spread([counted - number for counted, number in pairs])


def _column(records: Records, name: str) -> list[float]:
    return [record[name] for record in records]


def _exact(value: float) -> Measured:
    return Measured(value, value, value)
