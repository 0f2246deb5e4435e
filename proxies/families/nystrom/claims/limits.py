"""N7 to N10: where the laws end, and where the Nyström initialization gains nothing."""

from loralab.claims import Check, Claim, Within
from proxies.families.nystrom.claims.links import ROUNDING, SIX, TESTS, THEORY, TRIALS, UNIT

CLAIMS = (
    Claim(
        "N7",
        "An initialization with a part outside range(A) converges no faster than linearly, by 1 - "
        "eta a step.",
        "derived",
        (
            Check(
                "outside",
                ROUNDING,
                f"norm outside range(A) against (1 - eta)^t: deviation {UNIT}",
                predicted="0",
            ),
            Check(
                "factor",
                Within(0.498, 0.502),
                "last factor of the error, eta = 1/2",
                predicted="0.5",
            ),
            Check(
                "steps beyond the bound",
                Within(0, 1),
                "steps to 1e-12 beyond the least that the lower bound allows",
                predicted="0 or 1",
            ),
        ),
        "Nyström initialization plus Gaussian noise of size 1e-1 to 1e-9 (to 1e-6 where it has to "
        "be seen above 1e-12); that such noise ends quadratic convergence is observed in "
        "arXiv:2410.18965",
        equation=f"{THEORY}.symmetric (9)",
        test=f"{TESTS}/test_symmetric.py::test_law_at_any_step_size",
        trial=f"{TRIALS}.limits.leak",
    ),
    Claim(
        "N8",
        "With both factors random, simultaneous ScaledGD (eta = 1/2) converges if and only if A^+ "
        "X_0 Y_0^T has no negative eigenvalue, so at most half of the time; alternating updates "
        "always converge.",
        "derived",
        (
            Check(
                "agreement",
                Within(1, 1),
                "share of initializations that converge or fail as predicted, rank 1, 2 and 4",
                predicted="1",
            ),
            Check(
                "rank 1",
                Within(0.4, 0.6),
                "share that converges with simultaneous updates, rank 1",
                predicted="1/2",
            ),
            Check(
                "rank 2",
                Within(high=0.5),
                "share that converges with simultaneous updates, rank 2",
                predicted="< 1/2",
            ),
            Check(
                "rank 4",
                Within(high=0.5),
                "share that converges with simultaneous updates, rank 4",
                predicted="< 1/2",
            ),
            Check(
                "alternating",
                Within(1, 1),
                "share that converges with alternating updates",
                predicted="1",
            ),
            Check(
                "alternating factor",
                Within(0.245, 0.255),
                "factor of the error in a sweep of alternating updates",
                predicted="1/4",
            ),
        ),
        "exact rank, undamped, initializations inside the ranges of A and A^T, target 20 x 18 of "
        "condition number 10",
        equation=f"{THEORY}.asymmetric (4)",
        test=f"{TESTS}/test_asymmetric.py::test_random_starts_converge_unless_obstructed",
        trial=f"{TRIALS}.limits.random_factors",
    ),
    Claim(
        "N9",
        "With fewer columns than the target's rank ScaledGD from the Nyström initialization is "
        "linear at the gap's rate max((1 - eta) + eta rho, |1 - 2 eta|), though weakly optimal "
        "after one step.",
        "derived",
        (
            Check(
                "factor",
                Within(0.99, 1.01),
                "measured over predicted late factor of the error, rho = 0.5, 0.9, 0.99, eta = "
                "0.5, 0.9",
                predicted="1",
            ),
            Check(
                "range finder",
                ROUNDING,
                f"first step at eta = 1 against Q Q^T A: deviation {UNIT}",
                predicted="0",
            ),
            Check(
                "weak optimality",
                ROUNDING,
                f"norm of Y_1^T A^+ X_0 - 1 after the first step at eta = 1, {UNIT} cond(A)",
                predicted="0",
            ),
            Check(
                "excess",
                Within(low=1.01),
                "error after the first step at eta = 1 over the best of its rank",
                predicted="> 1",
            ),
        ),
        "weak optimality is the notion of arXiv:2410.18965",
        equation=f"{THEORY}.truncated (1)",
        test=f"{TESTS}/test_truncated.py::test_rate_below_the_rank",
        trial=f"{TRIALS}.limits.below_rank",
    ),
    Claim(
        "N10",
        "Alternating least squares solves the exact-rank problem in one sweep from a random "
        "initialization, so the Nyström initialization saves no steps against it.",
        "derived",
        (
            Check(
                "one sweep",
                ROUNDING,
                "relative error of alternating least squares after one sweep, in units of eps "
                "cond(X_1)",
                predicted="0",
            ),
            Check(
                "steps saved",
                Within(high=0),
                f"steps to 1e-12 saved by the Nyström initialization (eta = 1/2, {SIX} steps)",
                predicted="<= 0",
            ),
        ),
        "condition number 10 to 1e6; a sweep costs as much as a step",
        equation=f"{THEORY}.asymmetric (2)",
        test=f"{TESTS}/test_asymmetric.py::test_law_at_any_step_size",
        trial=f"{TRIALS}.competitors.least_squares",
    ),
)
