"""OP10 to OP13: OP-LoRA against LoRA and other methods on a factorisation problem."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.matfac.claims.conditions import (
    EXCESS,
    GRID,
    NETWORK,
    OPTIMIZERS,
    PROBLEM,
    TARGETS,
)
from proxies.families.matfac.claims.laws import EQUATION, PAPER, TEST, THEORY
from proxies.families.matfac.trials.plan import FIXED, TOO_LARGE, at_one_rate
from proxies.families.matfac.trials.plan import OPTIMIZERS as NAMES

LESS, MORE = Within(high=1), Within(low=0)
TRIALS = "proxies.families.matfac.trials"
EVIDENCE = "tests/proxies/matfac/test_paired.py"
CONVERGENCE = f"{THEORY}.convergence"
MINIMA = "tests/theory/matfac/test_convergence.py"
ABSTRACT = "abstract (matrix factorisation: faster convergence and lower final loss)"
TUNED = (
    f"1000 steps; {GRID}; each method has the learning rate that is best on average, chosen anew "
    "in every resample of the problems"
)
SHAPES = (
    "M is 24 x 16 (rank 3), 48 x 32 (rank 4) and 16 x 48 (rank 3), each on a third of the problems"
)
AT_ONE = f"{SHAPES}; {TARGETS}; {EXCESS}; {OPTIMIZERS}; {NETWORK}; after 250 steps"
TOO_LARGE_SGD = f"gauss, SGD at the learning rate {TOO_LARGE:g}, 1000 steps"


def _at_one_rate(id: str, other: str, claimed: str, criterion: Within) -> tuple[Check, ...]:
    return tuple(
        Check(
            f"{target}, {optimizer}",
            criterion,
            f"final relative excess of OP-LoRA over that of {other}, geometric mean: {target}, "
            f"{optimizer} at the learning rate {FIXED[target, optimizer]:g} of OP-LoRA",
            claimed=claimed,
        )
        for target, optimizer in at_one_rate(id)
    )


def _steps(target: str) -> tuple[Check, ...]:
    return tuple(
        Check(
            f"{name}{key}",
            criterion,
            "steps of OP-LoRA to a relative excess of 1e-4 over those of LoRA, geometric mean: "
            f"{target}, {name}",
            claimed="< 1",
            ours=ours,
        )
        for key, criterion, ours in (
            ("", LESS, False),
            (", a fifth fewer", Within(high=0.8), True),
        )
        for name in NAMES
    )


COMPARISONS = (
    Claim(
        "OP10",
        "At one learning rate for both, below LoRA's best one, OP-LoRA ends at a lower loss than "
        "LoRA after 250 steps on a matrix factorisation; its first step is then 6 to 9 times as "
        "long as LoRA's.",
        PAPER,
        _at_one_rate("OP10", "LoRA at the same nominal learning rate", "< 1", LESS),
        f"{AT_ONE}; the first step of OP-LoRA is 1 + |h|^2 (SGD) or 1 + |h|_1 (Adam) times LoRA's",
        equation=f"{CONVERGENCE} (2)",
        test=f"{MINIMA}::test_a_generator_descends_faster_at_one_learning_rate",
        trial=f"{TRIALS}.one_rate.one_rate",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        where="abstract (accelerates training)",
    ),
    Claim(
        "OP10b",
        "With LoRA's learning rate multiplied so that both take an equally long first step, "
        "OP-LoRA ends at a lower loss than LoRA after 250 steps on a matrix factorisation.",
        PAPER,
        _at_one_rate(
            "OP10b",
            "LoRA at that learning rate times the network's 1 + |h|^2 (SGD) or 1 + |h|_1 (Adam) "
            "before the first step",
            "< 1",
            LESS,
        ),
        AT_ONE,
        equation=f"{EQUATION} (6)",
        test=f"{TEST}::test_step_size_follows_the_agreement_of_gradients",
        trial=f"{TRIALS}.one_rate.one_rate",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        where="abstract (accelerates training)",
    ),
    Claim(
        "OP10c",
        "With LoRA's learning rate multiplied by what OP-LoRA's effective learning rate has grown "
        "to at the end, LoRA ends at least as low as OP-LoRA after 250 steps of SGD on a matrix "
        "factorisation: the network gains nothing but a larger learning rate.",
        "derived",
        _at_one_rate(
            "OP10c",
            "LoRA at that learning rate times the network's 1 + |h|^2 after the last step",
            "",
            Within(low=1),
        ),
        f"{AT_ONE}; SGD alone, as Adam's steps are 1 + |h|_1 times as long only at first",
        equation=f"{CONVERGENCE} (1)",
        test=f"{MINIMA}::test_a_generator_has_the_critical_points_of_lora",
        trial=f"{TRIALS}.one_rate.one_rate",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "OP11",
        "On a matrix factorisation, OP-LoRA is less sensitive to the learning rate than LoRA: more "
        "decades of learning rates reach a relative excess loss of 1e-4 within 1000 full-batch "
        "steps.",
        PAPER,
        tuple(
            Check(
                f"{name}{key}",
                criterion,
                "decades of learning rates that reach a relative excess of 1e-4, OP-LoRA minus "
                f"LoRA, mean of gauss and ill: {name}",
                claimed="> 0",
                ours=ours,
            )
            for key, criterion, ours in (
                ("", MORE, False),
                (", half a decade", Within(low=0.5), True),
            )
            for name in NAMES
        ),
        f"{PROBLEM}; 1000 steps; {GRID}; a decade has six learning rates, so that the width of one "
        "problem is a multiple of 1/6 decade; stochastic gradients shift the window and need not "
        "widen it",
        test="tests/proxies/matfac/test_engine.py::"
        "test_the_grid_is_extended_until_it_holds_the_window",
        trial=f"{TRIALS}.sweep.sweep",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        where="abstract of a later version (less sensitive to the learning rate)",
    ),
    *(
        Claim(
            id,
            "With each method's learning rate tuned, OP-LoRA converges faster than LoRA on a "
            f"matrix factorisation with {what}: it takes fewer steps to a relative excess loss of "
            "1e-4.",
            PAPER,
            _steps(target),
            f"{PROBLEM}; {TUNED}; a run that does not get there counts 1000 steps{more}",
            equation=f"{CONVERGENCE} (6)",
            test=f"{EVIDENCE}::test_the_learning_rate_is_chosen_by_what_is_compared",
            trial=f"{TRIALS}.sweep.sweep",
            kind=Kind.EFFECT,
            scope=Scope.SIMULATION,
            where=ABSTRACT,
        )
        for id, target, what, more in (
            ("OP12", "gauss", "a full-rank target", ""),
            (
                "OP12d",
                "ill",
                "a target of condition number 100",
                "; the least singular value of ill alone is an excess of 9.9e-5, so that 1e-4 is "
                "reached without it",
            ),
        )
    ),
    Claim(
        "OP12b",
        "With each method's learning rate tuned, OP-LoRA ends at a lower loss than LoRA after 1000 "
        "steps on an ill-conditioned matrix factorisation.",
        PAPER,
        tuple(
            Check(
                name,
                LESS,
                f"final relative excess of OP-LoRA over that of LoRA, geometric mean: ill, {name}",
                claimed="< 1",
            )
            for name in NAMES
        ),
        f"{PROBLEM}; {TUNED}; both have the same minima, so that a loss can be lower only where "
        "the runs have not converged",
        equation=f"{CONVERGENCE} (1)",
        test=f"{MINIMA}::test_a_generator_has_the_critical_points_of_lora",
        trial=f"{TRIALS}.sweep.sweep",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        where=ABSTRACT,
    ),
    Claim(
        "OP12c",
        "With each method's learning rate tuned, preconditioned gradient descent (ScaledGD) on "
        "LoRA's factors ends at a lower loss than OP-LoRA does with any of three optimizers, after "
        "1000 steps on an ill-conditioned matrix factorisation.",
        "derived",
        tuple(
            Check(
                name,
                Within(low=1),
                f"final relative excess of OP-LoRA with {name} over that of ScaledGD, geometric "
                "mean: ill",
                predicted=Within(low=1),
            )
            for name in NAMES
        ),
        f"{PROBLEM}; {TUNED}; ScaledGD moves B by -eta gB (A A^T)^-1 and A by -eta (B^T B)^-1 gA "
        "(by 0 at the first step, where B = 0)",
        equation=f"{CONVERGENCE} (6)",
        test=f"{MINIMA}::test_a_narrow_generator_conditions_no_better",
        trial=f"{TRIALS}.sweep.sweep",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "OP13",
        "Death of all ReLUs is a safety valve of OP-LoRA on a matrix factorisation: by SGD at a "
        "learning rate too large for the generator network, at least nine of ten linear networks "
        "diverge and at most one of five with ReLUs does, more than half of which end with every "
        "unit dead, and ReLUs widen the window of good learning rates.",
        "derived",
        (
            Check(
                "linear diverged",
                Within(low=0.9),
                f"share of linear generator networks that diverge: {TOO_LARGE_SGD}",
                predicted=Within(low=0.9),
            ),
            Check(
                "ReLU diverged",
                Within(high=0.2),
                f"share of ReLU generator networks that diverge: {TOO_LARGE_SGD}",
                predicted=Within(high=0.2),
            ),
            Check(
                "ReLU dead",
                Within(low=0.5),
                f"share of ReLU generator networks that end with every unit dead: {TOO_LARGE_SGD}",
                predicted=Within(low=0.5),
            ),
            Check(
                "window",
                MORE,
                "decades of learning rates that reach a relative excess of 1e-4, ReLU minus linear "
                "generator network: gauss, SGD, 1000 steps",
                predicted=MORE,
            ),
        ),
        f"{PROBLEM}; {GRID}; LoRA itself is stable at the learning rate {TOO_LARGE:g}; with every "
        "unit dead the network is plain LoRA, from wherever its last jump left b2",
        equation=f"{EQUATION} (7)",
        test=f"{TEST}::test_a_dead_generator_is_plain_descent_on_theta",
        trial=f"{TRIALS}.sweep.sweep",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
)
