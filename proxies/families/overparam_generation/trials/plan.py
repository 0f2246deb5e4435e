"""Which trials the family runs."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple

from loralab.memo import Memo
from proxies.families.overparam_generation.claims.cases import RANKS
from proxies.families.overparam_generation.trials import facts, scores
from proxies.families.overparam_generation.trials import sweep as sweeping
from proxies.families.overparam_generation.trials.scores import Networks
from proxies.families.overparam_generation.trials.sweep import Sweep
from proxies.instruments import digit_networks

Key = tuple[str, str, int]
"""target, method, rank"""
Records = list[dict[str, Any]]

SLOWEST = ("OP-DoRA", "OP-LoRA", "DoRA", "LoRA")  # first, so that the cores finish together
REPEATS = 4000  # draws of the null in the features of one classifier


class Trials(NamedTuple):
    """What all trials gave.

    Args:
        swept: by target, method and rank.
        anchors: by target.
        ends: one record a seed.
        definition: one record a seed, see `facts.definition`.
    """

    swept: Mapping[Key, Sweep]
    anchors: Mapping[str, dict[str, Any]]
    ends: Records
    definition: Records


def collect(
    memo: Memo,
    pretraining: int,
    steps: int,
    seeds: Sequence[int],
    targets: Sequence[str],
    dora: bool,
) -> Trials:
    """Run every trial.

    Args:
        memo: keeps the results.
        pretraining: steps of the base models.
        steps: of the adapters.
        seeds: each of a base model, a classifier, a split, an initialization and noises.
        targets: of the adapters.
        dora: whether DoRA and OP-DoRA are run.
    """
    bases = memo.map(digit_networks.base, [{"steps": pretraining, "seed": s} for s in seeds])
    judges = memo.map(digit_networks.judge, [{"seed": s} for s in seeds])
    networks = [Networks(a["layers"], b["layers"]) for a, b in zip(bases, judges, strict=True)]
    of_all = {"seeds": list(seeds), "pretraining": pretraining}
    keys = [
        (target, method, rank)
        for rank in reversed(RANKS)
        for method in SLOWEST
        if dora or "DoRA" not in method
        for target in targets
    ]
    points = [{"target": t, "method": m, "rank": r, "steps": steps, **of_all} for t, m, r in keys]
    sweeps = memo.map(on(networks, sweeping.sweep), points)
    anchored = memo.map(on(networks, scores.anchors), [{"target": t, **of_all} for t in targets])
    return Trials(
        dict(zip(keys, sweeps, strict=True)),
        dict(zip(targets, anchored, strict=True)),
        memo.map(facts.ends, [{"seed": s} for s in seeds]),
        memo(on(networks, facts.definition), repeats=REPEATS, **of_all),
    )


def on(networks: Sequence[Networks], trial: Callable[..., Any]) -> Callable[..., Any]:
    """A trial on the networks, as a function of JSON-like arguments.

    They are trained once and go along with the trial. A memo then knows them by what they were
    trained with: `pretraining` and `seeds`.
    """

    @wraps(trial)
    def given(pretraining: int, **point: Any) -> Any:
        return trial(networks, **point)

    return given
