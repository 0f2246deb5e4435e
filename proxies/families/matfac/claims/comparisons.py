"""OP10 to OP13: OP-LoRA against LoRA and other methods on a factorisation problem."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.matfac.claims.laws import EQUATION, PAPER, TEST
from proxies.families.matfac.trials.plan import FIXED, TOO_LARGE

REFUTED = Verdict.REFUTED
LESS = Within(high=1)
MUCH_LESS = Within(high=1e-3)
FASTER = Within(high=0.8)  # a fifth fewer steps: less would not pay for the network's own cost
WIDER = Within(low=0.5)  # decades, a factor of three in the learning rate
TRIAL = "proxies.families.matfac.trials.sweep.sweep"
ENGINE = "tests/proxies/matfac/test_engine.py"
SHAPES = "gauss: a full-rank target; ill: a target of exact rank with condition number 100"
TOO_LARGE_SGD = f"gauss, SGD at the too large learning rate {TOO_LARGE:g}"

COMPARISONS = (
    Claim(
        "OP10",
        "At one learning rate for both, OP-LoRA ends at a lower loss than LoRA after equally many "
        "steps.",
        PAPER,
        tuple(
            Check(
                f"{target}, {optimizer}",
                criterion,
                f"final relative excess loss of OP-LoRA over that of LoRA: {target}, {optimizer} "
                f"at the learning rate {rate:g}",
                claimed="< 1",
                predicted=predicted,
            )
            for ((target, optimizer), rate), (criterion, predicted) in zip(
                FIXED.items(), [(MUCH_LESS, "<< 1"), *[(LESS, "< 1")] * 3], strict=True
            )
        ),
        "learning rates below LoRA's best one: the generator network takes larger steps at the "
        f"same nominal learning rate (OP3, OP6); {SHAPES}",
        equation=f"{EQUATION} (4)",
        test=f"{TEST}::test_preconditioner_is_at_least_isotropic",
        trial=TRIAL,
    ),
    Claim(
        "OP11",
        "OP-LoRA is less sensitive to the learning rate than LoRA: the learning rates that reach "
        "a relative excess loss of 1e-4 span half a decade more.",
        PAPER,
        tuple(
            Check(
                optimizer,
                WIDER,
                "decades of learning rates that reach a relative excess loss of 1e-4, OP-LoRA "
                f"minus LoRA: {optimizer}",
                claimed="> 0",
                expected=expected,
            )
            for optimizer, expected in (
                ("SGD", Verdict.HOLDS),
                ("momentum", Verdict.HOLDS),
                ("Adam", REFUTED),
            )
        ),
        "mean of gauss and ill, full batch; stochastic gradients shift the window and need not "
        f"widen it; {SHAPES}",
        test=f"{ENGINE}::test_the_grid_is_extended_until_it_holds_the_window",
        trial=TRIAL,
    ),
    Claim(
        "OP12",
        "With each method's learning rate tuned, OP-LoRA converges faster and ends at a lower loss "
        "than other methods.",
        PAPER,
        (
            *(
                Check(
                    f"steps, {optimizer}",
                    FASTER,
                    "steps of OP-LoRA to a relative excess loss of 1e-4 over those of LoRA: "
                    f"gauss, {optimizer}",
                    claimed="< 1",
                    expected=REFUTED,
                )
                for optimizer in ("momentum", "Adam")
            ),
            Check(
                "share, momentum",
                Within(low=0.5),
                "share of problems on which OP-LoRA ends at a lower loss than LoRA: ill, momentum",
                claimed="> 1/2",
                expected=REFUTED,
            ),
            Check(
                "excess, Adam",
                LESS,
                "final relative excess loss of OP-LoRA with Adam over that of ScaledGD: ill",
                claimed="< 1",
                expected=REFUTED,
            ),
        ),
        "each method at its own best learning rate, chosen on the median over seeds; no optimum on "
        f"an edge of the grid; {SHAPES}",
        equation=f"{EQUATION} (4)",
        test=f"{ENGINE}::test_comparisons_refuse_what_the_grid_does_not_support",
        trial=TRIAL,
    ),
    Claim(
        "OP13",
        "Death of all ReLUs is a safety valve: at a learning rate too large for the generator "
        "network, OP-LoRA falls back to plain LoRA.",
        "derived",
        (
            Check(
                "dead network",
                Within(high=1e-12),
                "largest difference between the factors of a dead generator network and of plain "
                "LoRA, after 200 steps",
                predicted="0",
            ),
            Check(
                "linear diverged",
                Within(low=0.9),
                f"share of linear generator networks that diverge: {TOO_LARGE_SGD}",
                predicted="1",
            ),
            Check(
                "ReLU diverged",
                Within(high=0.2),
                f"share of ReLU generator networks that diverge: {TOO_LARGE_SGD}",
                predicted="0",
            ),
            Check(
                "ReLU dead",
                Within(low=0.5),
                f"share of ReLU generator networks that end with every unit dead: {TOO_LARGE_SGD}",
                predicted="> 1/2",
            ),
            Check(
                "window",
                Within(low=0),
                "decades of learning rates that reach a relative excess loss of 1e-4, ReLU minus "
                "linear generator network: gauss, SGD",
                predicted="> 0",
            ),
        ),
        "a learning rate at which plain LoRA itself is stable; the dead run begins from wherever "
        "its last jump left b2",
        equation=f"{EQUATION} (7)",
        test=f"{TEST}::test_a_dead_generator_is_plain_descent_on_theta",
        trial=TRIAL,
    ),
)
