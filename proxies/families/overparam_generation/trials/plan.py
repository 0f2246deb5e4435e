"""Which trials the family runs."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple

from loralab.memo import Memo
from proxies.families.overparam_generation.claims.cases import RANKS
from proxies.families.overparam_generation.trials import cost, facts, scores
from proxies.families.overparam_generation.trials import sweep as sweeping
from proxies.families.overparam_generation.trials.scores import Networks
from proxies.families.overparam_generation.trials.sweep import Sweep
from proxies.instruments import digit_networks
from proxies.instruments.flow_matching import SHAPES

Key = tuple[str, str, int]
"""target, method, rank"""
Records = list[dict[str, Any]]

NEW, STYLE = "new classes", "new style"
SLOWEST = ("OP-DoRA", "OP-LoRA", "DoRA", "LoRA")  # first, so that the cores finish together
GENERATED = ("overparam", "op_dora")  # the variants with generator networks
REPEATS, DEFINITIONS = 400, 20  # draws of the null, and of images chosen for their mean
FIRST = 3000  # seed of the base model and of the classifier, and the first one of the splits
TIMED = {"width": 1024, "depth": 6, "tokens": 2048, "rank": 16, "repeats": 9, "seed": FIRST}


class Trials(NamedTuple):
    """What all trials gave.

    Args:
        swept: by target, method and rank.
        anchors: by target.
        ends: one record a seed.
        definition: see `facts.definition`.
        counts: by variant, one record a rank.
        llama: trained numbers of OP-LoRA on LLaMA-7B.
        shares: of generator networks in a step; none without timing.
    """

    swept: dict[Key, Sweep]
    anchors: dict[str, dict[str, Any]]
    ends: Records
    definition: dict[str, Records]
    counts: dict[str, Records]
    llama: int
    shares: list[float]


def collect(
    memo: Memo, pretraining: int, steps: int, seeds: Mapping[str, int], dora: bool, timing: bool
) -> Trials:
    """Run every trial.

    Args:
        memo: keeps the results.
        pretraining: steps of the base model.
        steps: of the adapters.
        seeds: by target how many; a target with none is left out of the sweeps.
        dora: whether DoRA and OP-DoRA are run.
        timing: whether training steps are timed.
    """
    networks = Networks(
        memo(digit_networks.base, steps=pretraining, seed=FIRST)["layers"],
        memo(digit_networks.judge, seed=FIRST)["layers"],
    )
    settings = {"pretraining": pretraining, "seed": FIRST}
    keys = [
        (target, method, rank)
        for rank in reversed(RANKS)
        for method in SLOWEST
        if dora or "DoRA" not in method
        for target in seeds
        if seeds[target]
    ]
    points = [
        {"target": t, "method": m, "rank": r, "seeds": seeds[t], "steps": steps, **settings}
        for t, m, r in keys
    ]
    anchor, definition = on(networks, scores.anchors), on(networks, facts.definition)
    shapes = [list(shape) for shape in SHAPES]
    blocks = [list(shape) for shape in cost.LLAMA] * 32
    return Trials(
        dict(zip(keys, memo.map(on(networks, sweeping.sweep), points), strict=True)),
        {t: memo(anchor, target=t, seeds=seeds[NEW], **settings) for t in seeds},
        memo.map(facts.ends, [{"seed": FIRST + i} for i in range(seeds[NEW])]),
        memo(definition, repeats=REPEATS, seeds=DEFINITIONS, **settings),
        {
            variant: memo.map(
                cost.counts,
                [{"shapes": shapes, "rank": rank, "variant": variant} for rank in RANKS],
            )
            for variant in GENERATED
        },
        memo(cost.counts, shapes=blocks, rank=32, variant="overparam")["trained"],
        memo(cost.shares, **TIMED)["shares"] if timing else [],
    )


def on(networks: Networks, trial: Callable[..., Any]) -> Callable[..., Any]:
    """A trial on the networks, as a function of JSON-like arguments.

    To train the networks takes half a minute, so they are trained once and go along with the trial.
    A memo then knows them by the settings that they were trained with: `pretraining` and `seed`.
    """

    @wraps(trial)
    def given(pretraining: int, **point: Any) -> Any:
        return trial(networks, **point)

    return given
