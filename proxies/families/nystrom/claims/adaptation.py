"""N11, N12 and N15: what carries over to low-rank adaptation."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.nystrom.claims.links import (
    PAPER,
    TESTS,
    THEORY,
    TRIAL_TESTS,
    TRIALS,
    close,
    rounding,
)

ALIGNMENTS = (0.0, 0.5, 0.9, 1.0)
TRANSFER = (
    "min |B A - D|^2/2 by ScaledGD, eta = 1/2, both factors from the old values, from A = 0, the "
    "first step moving A alone, to a relative error |B A - D|/|D| of 1e-10; W has 16 singular "
    "values geometric from 10 to 3 and noise of entries N(0, 0.02^2), D the singular values 1, "
    "0.5, 0.25 and 0.1, its column space orth(sqrt(o) P + sqrt(1 - o) R) with P four dominant left "
    "singular vectors of W without its noise, R random orthonormal columns and o the overlap, its "
    "right vectors random; the first step has eta = 1/2 and counts; a draw is a pair (W, D), "
    "128 x 128, 192 x 64, 64 x 192 and 256 x 96 in turn; B is standard normal (random), W Omega "
    "(sketch of the weight, as NoRA makes it) or D Omega (sketch of the gradient at zero, which is "
    "-D), 4 columns, Omega standard normal; float64"
)


def overlap(alignment: float) -> str:
    """The key of a check at one overlap."""
    return f"overlap {alignment:g}"


CLAIMS = (
    Claim(
        "N11",
        "A sketch of the pretrained weight (NoRA) lets ScaledGD fit a random rank-4 change of a "
        "random weight in fewer steps than a random initialization.",
        PAPER,
        tuple(
            Check(
                overlap(alignment),
                Within(low=1),
                "steps from a random initialization over those from a sketch of the weight, "
                f"{overlap(alignment)}, geometric mean over draws",
                claimed="better fine-tuning",
                predicted=Within(0.9, 1.1),
            )
            for alignment in ALIGNMENTS
        ),
        f"{TRANSFER}. The source speaks of fine-tuning models of 1B to 7B parameters",
        equation=f"{THEORY}.asymmetric (7)",
        test=f"{TRIAL_TESTS}/test_trials.py::test_only_a_sketch_of_the_gradient_saves_steps",
        trial=f"{TRIALS}.adaptation.transfer",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        covers=False,
        where="abstract",
    ),
    Claim(
        "N11b",
        "A sketch of the loss gradient at the pretrained weight lets ScaledGD fit a random rank-4 "
        "change of a random weight in fewer steps than a random initialization.",
        "derived",
        tuple(
            Check(
                overlap(alignment),
                Within(low=1),
                "steps from a random initialization over those from a sketch of the gradient, "
                f"{overlap(alignment)}, geometric mean over draws",
                predicted=Within(low=1),
            )
            for alignment in ALIGNMENTS
        ),
        TRANSFER,
        equation=f"{THEORY}.asymmetric (3)",
        test=f"{TRIAL_TESTS}/test_trials.py::test_only_a_sketch_of_the_gradient_saves_steps",
        trial=f"{TRIALS}.adaptation.transfer",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "N11c",
        "From a zero product with B = B_0, one step of ScaledGD leaves the relative error sqrt(1 - "
        "eta (2 - eta) |P D|^2/|D|^2), P the projector on col(B_0).",
        "derived",
        (
            Check(
                "law",
                rounding(93),
                "deviation of the relative error after one step, all three initializations and "
                "every overlap, in units of eps",
            ),
        ),
        TRANSFER,
        equation=f"{THEORY}.asymmetric (6)",
        test=f"{TESTS}/test_asymmetric.py::test_law",
        trial=f"{TRIALS}.adaptation.transfer",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
    ),
    Claim(
        "N11d",
        "The first step of ScaledGD on a random rank-4 change of a random weight leaves a lower "
        "error from a sketch of the pretrained weight than from a random initialization where the "
        "change overlaps with the weight, and the same one where it does not.",
        "derived",
        (
            Check(
                overlap(0),
                Within(0.97, 1.03),
                "error after one step from a sketch of the weight over that from a random "
                f"initialization, {overlap(0)}, geometric mean over draws; equal within 3 %",
                predicted=Within(0.97, 1.03),
            ),
            Check(
                overlap(1),
                Within(high=1),
                "error after one step from a sketch of the weight over that from a random "
                f"initialization, {overlap(1)}, geometric mean over draws",
                predicted=Within(high=1),
            ),
        ),
        TRANSFER,
        equation=f"{THEORY}.asymmetric (6)",
        test=f"{TESTS}/test_asymmetric.py::test_law",
        trial=f"{TRIALS}.adaptation.transfer",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "N11e",
        "From a zero product each step of ScaledGD after the first shrinks the part of B outside "
        "the range of the target change by exactly 1 - eta, so that a sketch of anything else has "
        "the linear rate of a random initialization.",
        "derived",
        tuple(
            Check(
                name,
                rounding(worst),
                f"largest deviation of |O B_t| from (1 - eta)^(t - 1) |O B_0| over the run, {words}"
                ", every overlap, in units of eps |B_0| cond(B_0) cond(A_1)",
            )
            for name, words, worst in (
                ("random", "random initialization", 0.77),
                ("weight", "sketch of the weight", 0.44),
            )
        ),
        f"{TRANSFER}; O projects outside the column space of D, A_1 is A after one step",
        equation=f"{THEORY}.asymmetric (7)",
        test=f"{TESTS}/test_asymmetric.py::test_law_at_any_step_size",
        trial=f"{TRIALS}.adaptation.transfer",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
    ),
    Claim(
        "N12",
        "The scale xi of the Nyström sketch is not critical: the first change of the weight does "
        "not depend on it.",
        PAPER,
        tuple(
            Check(
                name,
                close(0, 8e-5),
                f"exponent in xi of the weight's first change, {words}",
                claimed="0",
                predicted=close(exponent, 8e-5),
            )
            for name, exponent, words in (
                ("preconditioned", 0, "scaled gradient step G A^T (A A^T)^-1 A"),
                ("gradient", 2, "plain gradient step G A^T A"),
                (
                    "released",
                    1,
                    "NoRA+ within Adam, whose first step is sign(G A^T K) A with K = (A A^T + "
                    "1e-6)^-1 over its norm",
                ),
            )
        ),
        "NoRA initialization A = xi N W, B = 0, rank 6, with W and G 60 x 50 and N standard "
        "normal; seven xi from 1e-3 to 1e3, slope of log |change| against log xi; within 8e-4, "
        "which is 1.1 % over all six decades. The source shows this for ScaledGD on matrix "
        "factorization",
        equation=f"{THEORY}.sketch (2)",
        test=f"{TESTS}/test_sketch.py::test_first_changes_scale_as_stated",
        trial=f"{TRIALS}.adaptation.scale_exponents",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        where="figure 1b",
        separates="the gradient is scaled by (A A^T)^-1 and nothing follows it",
    ),
    Claim(
        "N15",
        "NoRA, LoRA with the Nyström initialization, performs better than LoRA on downstream tasks "
        "of language and diffusion models of 1B to 7B parameters.",
        PAPER,
        (),
        equation=f"{THEORY}.asymmetric (7)",
        kind=Kind.EFFECT,
        scope=Scope.NONE,
        covers=False,
        where="abstract",
        untestable="no model of 1B parameters is fine-tuned here, and the released code assigns "
        "the sketch to an attribute that the layer's forward pass never reads, so what it measured "
        "is not known",
    ),
)
