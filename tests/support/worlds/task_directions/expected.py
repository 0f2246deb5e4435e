"""What each check must be, from the names of the values and what the check says."""

from tests.support.worlds.task_directions.made_up import EDGES, PARTS, value


def _lift(*of: str) -> float:
    x, null = (value("overlap", *of, part) for part in PARTS)
    return (x - null) / (1 - null)


def _error(case: str, above: str, below: str) -> float:
    return value("error", case, above) / value("error", case, below)


def _recall(name: str, rank: int = 8, case: str = "random") -> float:
    return value("recall", case, rank, name)


def _apart(pool: str, one: str, other: str, score: str) -> float:
    one_, other_ = (
        value("overlap", pool, source, score, "8 in 16", "value") for source in (one, other)
    )
    return one_ - other_


DATA = ("clusters", "disjoint digits")
DASH, INIT, TSD, PLAIN = "Dash, pre-launch", "Init, pre-launch", "TSD, pre-launch", "LoRA, r"
EXPECTED: dict[str, dict[str, float]] = {
    "T1": {
        f"{law}, {s} in {m}": value("edge", law, s, m, "overlaps")
        - value("edge", law, s, m, "exact")
        for law, s, m in EDGES
    },
    "T2b": {
        "MiniLM": value("MiniLM", True, "accuracy"),
        "Gaussian": value("weight", "bidiagonal", "accuracy"),
        "MiniLM, root of sigma": value("MiniLM", True, "root"),
    },
    "T3": {
        "rectangular": value("weight", "rectangular", "accuracy"),
        "flat": value("weight", "flat", "accuracy"),
        "MiniLM": value("MiniLM", False, "accuracy"),
    },
    "T4": {
        "place": value("weight", "bidiagonal", "bottom_rank"),
        "place, MiniLM": value("MiniLM", True, "bottom_rank"),
        "slope": value("weight", "bidiagonal", "slope"),
    },
    "T5": {
        **{f"accuracy, {pool}": _lift(pool, "LoRA 100", "rate", "8 in 16") for pool in DATA},
        **{f"recall, {pool}": _lift(pool, "LoRA 100", "rate", "4 in 8") for pool in DATA},
        **{
            f"beyond {name}, {pool}": _apart(pool, "LoRA 100", source, "rate")
            for name, source in (
                ("another task", "LoRA 100, another task"),
                ("a rotated copy", "rotated"),
            )
            for pool in DATA
        },
    },
    "T5b": {
        f"{name}, {pool}": _lift(pool, source, "abs", "8 in 16")
        - _lift(pool, source, "rate", "8 in 16")
        for name, source in (("LoRA", "LoRA 100"), ("gradient", "gradient"))
        for pool in DATA
    },
    "T5c": {
        f"by {name}, {pool}": _apart(pool, "another run", "another task", score)
        for name, score in (("rate", "rate"), ("size", "abs"))
        for pool in DATA
    },
    "T5d": {pool: value("phi", pool) for pool in DATA},
    "T6": {"ratio": value("snr", "measured") / value("snr", "predicted"), "mean": value("mean")},
    "T15": {
        f"rank {rank}": value("speed", rank, "ratio") / value("speed", rank, "predicted")
        for rank in (4, 16)
    },
    "T7": {
        f"rank {rank}": _recall("LoRA 100, rate", rank) - value("null", "random", rank, "rate")
        for rank in (2, 8, 32)
    },
    "T7b": {
        "rank 8 over 2": _recall("LoRA 100, rate", 8) - _recall("LoRA 100, rate", 2),
        "rank 32 over 8": _recall("LoRA 100, rate", 32) - _recall("LoRA 100, rate", 8),
    },
    "T8": {
        "by rate": _recall("gradient, rate") - _recall("LoRA 100, rate"),
        "by size": _recall("gradient, abs") - _recall("LoRA 100, abs"),
    },
    "T9": {
        case: _recall("LoRA 10, abs", case=case) - _recall("LoRA 10, rate", case=case)
        for case in ("random", "top", "middle", "bottom")
    },
    "T10": {
        case: _error(case, DASH, PLAIN)
        for case in ("random", "bottom", "none", "clusters", "digits")
    },
    "T10b": {
        "pre-launch": _error("random", DASH, "Dash, oracle"),
        "gradient": _error("random", "Dash, gradient", "Dash, oracle"),
        "pre-launch, bottom": _error("bottom", DASH, "Dash, oracle"),
    },
    "T11": {case: _error(case, DASH, "Dash, random") for case in ("random", "clusters", "digits")},
    "T11b": {case: _error(case, "LoRA, r + s", DASH) for case in ("random", "bottom")},
    "T12": {
        key: value("error", "random", method) / value("bound", "random", method)
        for key, method in (("pre-launch", INIT), ("random", "Init, random"), ("MiLoRA", "MiLoRA"))
    },
    "T12b": {
        **{
            case: _error(case, INIT, PLAIN)
            for case in ("random", "none", "grown", "clusters", "digits")
        },
        "rank 2 r": _error("random", INIT, "LoRA, 2r"),
        "random directions": _error("random", INIT, "Init, random"),
    },
    "T12c": {
        **{
            case: _error(case, TSD, PLAIN)
            for case in ("random", "none", "grown", "clusters", "digits")
        },
        "Dash": _error("random", TSD, DASH),
        "random directions": _error("random", TSD, "TSD, random"),
    },
}
