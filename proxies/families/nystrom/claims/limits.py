"""N7 to N10: where the laws end, and where the Nyström initialization gains nothing."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.nystrom.claims.links import (
    ASYMMETRIC,
    SIX,
    SYMMETRIC,
    TESTS,
    THEORY,
    TRIALS,
    UNIT,
    close,
    rounding,
)

CLAIMS = (
    Claim(
        "N7",
        "An initialization with a part outside range(A) makes symmetric ScaledGD converge linearly "
        "and no faster, by 1 - eta a step.",
        "derived",
        (
            Check(
                "outside",
                rounding(1.4),
                "largest deviation of the norm outside range(A) from (1 - eta)^t times the first "
                f"one, 120 steps, noise 1e-1 to 1e-9, {UNIT}",
            ),
            Check(
                "factor",
                close(0.5, 1.6e-5),
                "last factor of the error before 1e-12, noise 1e-1 to 1e-6",
                predicted=close(0.5, 1.6e-5),
            ),
            Check(
                "steps beyond the bound",
                Within(0, 1),
                "steps to 1e-12 beyond the least t at which (1 - eta)^t |O X_0 X_t^T|/|A| is below "
                "1e-12, O projecting outside range(A), noise 1e-1 to 1e-6",
                predicted=Within(0, 1),
            ),
        ),
        f"{SYMMETRIC}; eta = 1/2, cond = 100, plus Gaussian noise of entries N(0, s^2) on X_0 with "
        "s = 1e-1, 1e-3, 1e-6 and 1e-9; a leak of 1e-9 is below 1e-12 before some runs have "
        "converged inside the range. That such noise ends quadratic convergence is observed in "
        "arXiv:2410.18965",
        equation=f"{THEORY}.symmetric (9)",
        test=f"{TESTS}/test_symmetric.py::test_law_at_any_step_size",
        trial=f"{TRIALS}.limits.leak",
        kind=Kind.LAW,
        scope=Scope.EXACT,
    ),
    Claim(
        "N8",
        "From two random factors in the ranges of A and A^T, simultaneous ScaledGD (eta = 1/2) "
        "converges if and only if A^+ X_0 Y_0^T has no negative eigenvalue, hence half of the time "
        "at rank 1 and less at rank 2 and 4; alternating updates always converge.",
        "derived",
        (
            Check(
                "agreement",
                at(1),
                "share of initializations that converge or fail as predicted, rank 1, 2 and 4; "
                "every batch",
                predicted=at(1),
            ),
            Check(
                "rank 1",
                Within(0.47, 0.53),
                "share that converges with simultaneous updates, rank 1; half within three "
                "hundredths",
                predicted=at(0.5),
            ),
            *(
                Check(
                    f"rank {rank}",
                    Within(high=0.5),
                    f"share that converges with simultaneous updates, rank {rank}",
                    predicted=Within(high=0.5),
                )
                for rank in (2, 4)
            ),
            Check(
                "alternating",
                at(1),
                "share that converges with alternating updates, rank 1, 2 and 4; every batch",
                predicted=at(1),
            ),
            Check(
                "alternating factor",
                close(0.25, 1.1e-6),
                "factor of the error in the tenth sweep of alternating updates, smallest, middle "
                "and largest of each batch",
                predicted=close(0.25, 1.1e-6),
            ),
        ),
        "A = U diag(S) V^T, 20 x 18, rank 1, 2 or 4, S geometric from 1 to 1/10, U and V uniform "
        "among orthonormal matrices, X_0 = U x and Y_0 = V y with x and y standard normal and "
        "square; ScaledGD undamped; converged is an error below 1e-8 |A| after 60 simultaneous "
        "steps or 30 alternating sweeps (X, then Y with the new X); float64",
        equation=f"{THEORY}.asymmetric (4)",
        test=f"{TESTS}/test_asymmetric.py::test_random_starts_converge_unless_obstructed",
        trial=f"{TRIALS}.limits.random_factors",
        kind=Kind.LAW,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "N9",
        "With fewer columns than the target's rank ScaledGD from the Nyström initialization is "
        "linear at the gap's rate max((1 - eta) + eta rho, |1 - 2 eta|), though one step at eta = "
        "1 is weakly optimal.",
        "derived",
        (
            Check(
                "factor",
                Within(0.99, 1.01),
                "measured over predicted factor of the error, symmetric, in the last ten steps "
                "before 1e-10, rho = 0.5, 0.9 and 0.99, eta = 0.5 and 0.9, mean over targets; "
                "equal within 1 %, since a slowest mode that starts small shows later",
                predicted=Within(0.99, 1.01),
            ),
            Check(
                "range finder",
                rounding(5.7),
                "asymmetric: X_0 Y_1^T after one step at eta = 1 against P A, P the projector on "
                f"col(X_0): relative deviation {UNIT}",
            ),
            Check(
                "weak optimality",
                rounding(1.9),
                f"asymmetric: norm of Y_1^T A^+ X_0 - 1 after one step at eta = 1, {UNIT} cond(A)",
            ),
        ),
        "four columns for a target of rank 10 and X_0 = A Omega with Omega standard normal; "
        "symmetric: 20 x 20, eigenvalues 1, 0.9, 0.8, 0.5 and 0.5 rho times 1, 0.6, 0.4, 0.3, 0.2, "
        "0.1, error against the best of rank 4; asymmetric: 40 x 30, singular values geometric "
        "from 1 to 1/10, Y_0 = 0; weak optimality, Y^T A^+ X = 1, is the notion of "
        "arXiv:2410.18965; float64",
        equation=f"{THEORY}.truncated (1)",
        test=f"{TESTS}/test_truncated.py::test_rate_below_the_rank",
        trial=f"{TRIALS}.limits.below_rank",
        kind=Kind.LAW,
        scope=Scope.EXACT,
    ),
    Claim(
        "N10",
        "Alternating least squares solves asymmetric targets of its own rank in one sweep from a "
        "random initialization, so the Nyström initialization saves no steps against it.",
        "derived",
        (
            Check(
                "one sweep",
                rounding(0.69),
                "relative error of alternating least squares after one sweep, in units of eps "
                "cond(X_1)",
            ),
            Check(
                "steps saved",
                Within(high=0),
                "sweeps of alternating least squares to 1e-12 minus the steps that the Nyström "
                "initialization takes on the same target (eta = 1/2, rank 6)",
                predicted=Within(high=0),
            ),
        ),
        f"{ASYMMETRIC}, cond = 10, 1e2, ..., 1e6; alternating least squares is ScaledGD with eta = "
        "1 that updates X, then Y with the new X, from factors of entries N(0, 1e-6); a sweep "
        f"costs as much as a step; without rounding the Nyström initialization takes {SIX}",
        equation=f"{THEORY}.asymmetric (2)",
        test=f"{TESTS}/test_asymmetric.py::test_law_at_any_step_size",
        trial=f"{TRIALS}.competitors.least_squares",
        kind=Kind.LAW,
        scope=Scope.EXACT,
    ),
)
