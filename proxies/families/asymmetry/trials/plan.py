"""Which trials the family runs, and on which problems."""

from functools import partial
from typing import Any

from loralab.memo import Memo
from proxies.families.asymmetry.claims.advice import ADVISED, SINGLE_RANKS
from proxies.families.asymmetry.claims.classifiers import DATA, EAGER, LAZY, STEPS, SUBSPACES
from proxies.families.asymmetry.claims.training import NEAR
from proxies.families.asymmetry.evidence import MIRRORED, STANDARD
from proxies.families.asymmetry.trials import (
    advice,
    exact,
    gaps,
    linear,
    similarity,
    teacher,
    tuning,
)
from proxies.families.asymmetry.trials.networks import ADAPTED, METHODS
from proxies.families.asymmetry.trials.populations import POPULATIONS
from proxies.instruments.trial_grid import Records, product, trials

RANKS = (1, 4, 16)
COMPARED = (64, 512)  # samples of A7b
CLAIMED = (("B, orthonormal", 8), ("A, orthonormal", 8), ("BA, random", 4), ("BA, random", 8))
ONE_ROW = 8  # times as many draws at rank 1
IDENTITIES = 10  # problems of an identity for each of the others


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    grid = partial(trials, memo)
    first = config.block
    problems = range(first, first + config.problems)
    many = range(first, first + IDENTITIES * config.problems)
    unseen = range(first, first + config.unseen)
    both = list(range(ADAPTED))
    nets: dict[str, Any] = {"first_seed": first, "seeds": config.splits}
    methods = [(m, r) for m in METHODS for r in (4, 8)] if config.all_methods else CLAIMED
    adapted = [
        {"population": name, "samples": samples, "method": method, "rank": rank, "layers": both}
        for name, samples, _ in DATA.values()
        for method, rank in methods
    ]
    advised = [DATA[key][:2] for key in ADVISED if config.single_layers]
    single = [
        {"population": name, "samples": samples, "method": f"{trained}, orthonormal"} | point
        for name, samples in advised
        for trained in "BA"
        for point in product(rank=SINGLE_RANKS, layers=[[layer] for layer in both])
    ]
    layers = [
        {"population": name, "samples": samples, "ranks": list(SINGLE_RANKS)}
        for name, samples in advised
    ]
    pairs = [(STANDARD, LAZY), (STANDARD, EAGER), (MIRRORED, LAZY)]
    runs = [
        {"population": name, "method": method, "rate": rate, "index": index}
        for name in SUBSPACES
        for method, rate in pairs
        # parts of a pool, or as many networks again where each has new data
        for index in range(config.pieces * (1 if POPULATIONS[name].pool else 2))
    ]
    fixed = {"rank": 8, "steps": STEPS, "first_seed": first, "inits": 2}
    # one row varies the most, so it is drawn more often
    shares = [
        {"case": case, "rank": rank, "draws": config.draws, "seed": first + i}
        for i in range(ONE_ROW)
        for rank in (RANKS if i == 0 else RANKS[:1])
        for case in linear.CASES
    ]
    near = [
        {"name": name, "samples": samples, "repeats": config.repeats, "seed": seed}
        for name, (samples, _, _) in NEAR.items()
        for seed in problems
    ]
    return {
        "methods": grid(tuning.adapted, [{**point, **nets, "steps": STEPS} for point in adapted]),
        "layers": grid(tuning.adapted, [{**point, **nets, "steps": STEPS} for point in single]),
        "advised": grid(advice.on_layers, [{**point, **nets} for point in layers]),
        "similarity": grid(similarity.similarity, [{**run, **fixed} for run in runs]),
        "teachers": grid(
            teacher.known,
            case=list(teacher.CASES),
            network=list(teacher.NETWORKS),
            rank=[4],
            seed=problems,
        ),
        "unseen": grid(teacher.unseen, seed=unseen),
        "spectra": grid(advice.linear, seed=unseen),
        "forms": grid(linear.closed_forms, seed=many),
        "basis": grid(exact.basis, seed=many),
        "few": grid(exact.few_inputs, seed=many),
        "ordered": grid(exact.ordered, seed=many),
        "explained": grid(linear.explained, shares),
        "conditioning": grid(
            linear.conditioning, exponent=[1, 2], rank=[4], draws=[40], seed=problems
        ),
        "near": grid(gaps.near, near),
        "compared": grid(
            gaps.compared, samples=COMPARED, repeats=[config.repeats // 10], seed=problems
        ),
    }
