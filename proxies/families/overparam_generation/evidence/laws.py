"""OP14, OP14b and OP14d: what distances mean."""

from loralab.claims import Measured
from loralab.statistics import clustered, geometric_mean, mean, spread
from proxies.families.overparam_generation.claims.cases import NEW
from proxies.families.overparam_generation.trials.plan import Records, Trials

Measurements = dict[str, dict[str, Measured | None]]


def distances(trials: Trials) -> Measurements:
    """By claim and key."""
    ends = ("greatest", "not negative", "least beyond means", "most beyond means")
    rises = [one["diversity"]["MMD"] / one["diversity"]["CMMD"] for one in trials.definition]
    null = [one["null"] for one in trials.definition]
    return {
        "OP14": {key: spread(_column(trials.ends, key)) for key in ends},
        "OP14b": {
            "means": mean(_column(trials.anchors[NEW]["scores"], "ten times the shift")),
            "rise": geometric_mean(rises),
            "rise by half": geometric_mean(rises),
        },
        "OP14d": {
            key: clustered([_column(one, key) for one in null], "classifier")
            for key in ("biased", "unbiased")
        },
    }


def _column(records: Records, name: str) -> list[float]:
    return [record[name] for record in records]
