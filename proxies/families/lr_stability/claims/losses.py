"""L8 to L8c, L11 and L14: learning rates of the least loss, how one that was tuned carries over,
and which initialization ends lower at its own."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.lr_stability.claims.checks import (
    LOWER_ON,
    best,
    difference_key,
    near,
    octaves_key,
    regret_key,
    wrong_key,
)
from proxies.families.lr_stability.claims.settings import (
    EITHER,
    HALF_STEP,
    MUP,
    NAMES,
    NEAREST,
    ON_PLAIN,
    ON_RESIDUAL,
    ON_STANDARD,
    READ_BY,
    RESIDUAL,
    STABILITY,
    STANDARD,
    TESTS,
    TRIALS,
    TUNED,
)

SEE = "theory.lr_stability.stability.max_single_lr"
TABLE = f"{TESTS}/test_stability.py::test_the_table_of_single_rates"
TRIAL = f"{TRIALS}.sweep.losses"
DIFFERENCE = "slope in the width of the best learning rate, Init[B] minus Init[A]"
READ_OUTS = (
    f"{EITHER}. {TUNED}. Read-out of order 1/n: {ON_PLAIN}. Read-out of order n^(-1/2): "
    f"{ON_STANDARD}. {NEAREST}"
)
RECALLED = (
    "The model follows a figure's caption and a recollection of its set-up, with 64 samples, not "
    "the paper's code"
)

LOSSES = (
    Claim(
        "L8",
        "In a network with one adapted layer, a read-out of order 1/n and 40 steps, the learning "
        "rate of the least loss goes as n^-1/2 from Init[A] and from Init[B].",
        "derived",
        tuple(best(name, "mup") for name in NAMES),
        f"{MUP}. {TUNED}. {ON_PLAIN}. {NEAREST}",
        equation=SEE,
        test=TABLE,
        trial=TRIAL,
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
    Claim(
        "L8d",
        "In a network with one adapted layer, a read-out of order n^(-1/2) and 40 steps, the "
        "learning rate of the least loss goes as n^-3/4 from Init[A] and as n^-1 from Init[B].",
        "derived",
        tuple(best(name, "standard") for name in NAMES),
        f"{STANDARD}. {TUNED}. {ON_STANDARD}. {NEAREST}",
        equation=SEE,
        test=TABLE,
        trial=TRIAL,
        separates="the initialization: from Init[B] lower powers of n still count at these widths",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
    Claim(
        "L8b",
        "In a network with one adapted layer and 40 steps, the best learning rates of Init[A] and "
        "Init[B] go as the same power of the width where the read-out is of order 1/n; where it is "
        "of order n^(-1/2), that of Init[B] falls faster.",
        "derived",
        (
            Check(
                difference_key("mup"),
                near(0, HALF_STEP),
                f"{DIFFERENCE}, {READ_BY['mup']}",
                predicted=at(0),
            ),
            Check(
                difference_key("standard"),
                Within(high=0),
                f"{DIFFERENCE}, {READ_BY['standard']}",
                predicted=at(-0.25),
            ),
        ),
        READ_OUTS,
        equation=SEE,
        test=TABLE,
        trial=TRIAL,
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
    Claim(
        "L8c",
        "In a residual network with one adapted layer and a standard read-out, 60 steps on 64 "
        "samples, the best learning rate of Init[A] is above that of Init[B], and more so the "
        "wider the network.",
        STABILITY,
        (
            Check(
                "slope of the ratio",
                Within(low=0),
                "slope in the width of the ratio of best learning rates, Init[A] over Init[B]",
                "> 0",
                at(0.25),
            ),
            Check(
                "ratio",
                Within(low=1),
                "ratio of best learning rates at width 2^12, Init[A] over Init[B]",
                "> 1",
                Within(low=1),
            ),
        ),
        f"{RESIDUAL}. {TUNED}. {ON_RESIDUAL}. {RECALLED}",
        equation=SEE,
        test=TABLE,
        trial=TRIAL,
        covers=False,
        where="figure of the synthetic model",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
)

AVERAGE = (
    Claim(
        "L14",
        "In networks with one adapted layer, 40 or 60 steps and each at its own best learning "
        "rate, Init[A] ends at a lower training loss than Init[B].",
        STABILITY,
        tuple(
            Check(
                words,
                Within(high=1),
                "ratio of training losses after the last step, Init[A] over Init[B], each at the "
                f"learning rate of the grid with the least mean loss over seeds, {words}, n = "
                f"2^{12 if key == 'residual' else 13}",
                "better on average",
            )
            for key, words in LOWER_ON.items()
        ),
        f"plain network: {EITHER}. {ON_PLAIN} (1/n), {ON_STANDARD} (n^(-1/2)). Residual network: "
        f"{RESIDUAL}. {ON_RESIDUAL}. {TUNED}. The learning rate is a place on the grid, chosen "
        "anew in every resample of the seeds; one at which a run diverged is never chosen. Theory "
        "orders the two where Init[B] trains A alone at its best learning rate, which behind a "
        "read-out of order 1/n it does not",
        equation="theory.lr_stability.comparison (6)",
        test=f"{TESTS}/test_comparison.py::test_two_trained_factors_reach_no_higher_floor_than_one",
        trial=TRIAL,
        covers=False,
        where="abstract",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
)


def _carried(name: str) -> tuple[Check, ...]:
    taken = f"learning rate taken on by n^-1/2, {NAMES[name]}"
    return (
        Check(
            octaves_key(name),
            near(0, 0.5),
            f"octaves from the best learning rate, n = 2^13, {taken}",
            predicted=at(0),
        ),
        Check(
            regret_key(name),
            Within(high=0.5),
            f"regret in nats, n = 2^13, {taken}",
            predicted=at(0),
        ),
        *(
            Check(
                wrong_key(name, exponent),
                Within(low=1),
                f"regret in nats, n = 2^13, learning rate taken on by n^{exponent} minus by "
                f"n^-1/2, {NAMES[name]}",
                predicted=Within(low=0),
            )
            for exponent in (0, -1)
        ),
    )


TRANSFER = (
    Claim(
        "L11",
        "In a network with one hidden, adapted layer and a read-out of order 1/n, trained 40 steps "
        "on 32 samples, the best learning rate of widths 256 to 1024, taken on by n^-1/2, is "
        "within half an octave and half a nat of the best at width 8192, and better there by a nat "
        "than one taken on by n^0 or n^-1.",
        "derived",
        tuple(check for name in NAMES for check in _carried(name)),
        f"{MUP}. {TUNED}. {ON_PLAIN}. Taken on by n^c: the mean over n = 2^8, 2^9, 2^10 of the log "
        "of the best learning rate, less c log n, plus c log 2^13. Regret is the log of the loss, "
        "at most 3, less that at the learning rate tuned at width 2^13 itself for the same seed; "
        "half an octave is the step of the grid",
        equation=SEE,
        test=TABLE,
        trial=TRIAL,
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
)
