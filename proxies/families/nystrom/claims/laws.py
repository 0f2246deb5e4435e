"""N1 to N6: the exact laws of scaled gradient descent from the Nyström initialization."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.nystrom.claims.links import (
    ACCURACY,
    ASYMMETRIC,
    CONDITIONED,
    EXTRA,
    PAPER,
    SIX,
    SYMMETRIC,
    TESTS,
    THEORY,
    TRIALS,
    UNIT,
    rounding,
)

QUADRATIC, LINEAR = Within(1.999, 2.001), Within(0.999, 1.001)

CLAIMS = (
    Claim(
        "N1",
        "From the Nyström initialization, asymmetric ScaledGD stays on X_t Y_t^T = d_t A with d_t "
        "a scalar recursion that is the same for every target.",
        "derived",
        (
            Check(
                "deviation",
                rounding(0.26),
                "largest deviation of the relative error from |d_t - 1|, d_0 = 0, d_1 = eta, d+ = "
                "(1 - eta)^2 d + 2 eta (1 - eta) + eta^2/d, over steps 0 to 12, eta = 0.1, 0.5 and "
                f"0.9, 6 and 12 columns, {UNIT}",
            ),
        ),
        f"{ASYMMETRIC}; {CONDITIONED}",
        equation=f"{THEORY}.asymmetric (3)",
        test=f"{TESTS}/test_asymmetric.py::test_scalar_law_over_parameterised",
        trial=f"{TRIALS}.laws.scalar_law",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
    ),
    Claim(
        "N2",
        f"From the Nyström initialization asymmetric ScaledGD with eta = 1/2 takes {SIX} steps to "
        "1e-12 for every target that float64 resolves (cond(X_0) <= 1e5).",
        "derived",
        (
            Check(
                "steps",
                at(SIX),
                "steps to a relative error of 1e-12, 6 and 12 columns, all runs with cond(X_0) up "
                "to 1e5",
                predicted=at(SIX),
            ),
        ),
        f"{ASYMMETRIC}; {CONDITIONED}. Rounding leaks up to eps cond(X_0) out of range(A), and "
        "what leaked only halves at each step: beyond cond(X_0) = 1e5 some runs take 7 to 10 steps",
        equation=f"{THEORY}.asymmetric (3)",
        test=f"{TESTS}/test_asymmetric.py::test_six_steps_and_universal_errors",
        trial=f"{TRIALS}.laws.scalar_law",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        universal=True,
    ),
    Claim(
        "N3",
        "With eta = 1 ScaledGD from the Nyström initialization solves the asymmetric problem in "
        "one step, and on the symmetric one cycles with period two and never converges.",
        "derived",
        (
            Check(
                "one step",
                rounding(1.3),
                f"asymmetric: relative error after one step, 6 and 12 columns, {UNIT}",
            ),
            Check(
                "cycle",
                rounding(60),
                "symmetric: relative change of 1 + error over two steps, largest of 12 steps, in "
                "units of eps c",
            ),
            Check(
                "lowest error",
                Within(low=ACCURACY),
                "symmetric: lowest relative error in 12 steps, against 1e-12, at which a run "
                "counts as converged",
                predicted=Within(low=ACCURACY),
            ),
        ),
        f"asymmetric: {ASYMMETRIC}. Symmetric: {SYMMETRIC}. {CONDITIONED}. c is the distance of "
        "X_0, max(y, 1/y) over the eigenvalues y of W_0 W_0^T with W_0 = L^(-1/2) Q^T X_0; as eta "
        "= 1 damps no rounding, the cycle is measured where c <= 1e6",
        equation=f"{THEORY}.symmetric (4)",
        test=f"{TESTS}/test_symmetric.py::test_step_size_one_is_a_cycle",
        trial=f"{TRIALS}.laws.polar_law",
        kind=Kind.LAW,
        scope=Scope.EXACT,
    ),
    Claim(
        "N4",
        "Symmetric ScaledGD with eta = 1/2 from the Nyström initialization moves only the singular "
        "values of W = L^(-1/2) Q^T X, and ends at Q L^(1/2) polar(W_0).",
        "derived",
        (
            Check("map", rounding(1.3), f"W+ = (W + W^+T)/2: relative deviation {UNIT}"),
            Check(
                "singular values",
                rounding(1.5),
                f"sigma+ = (sigma + 1/sigma)/2: largest relative deviation {UNIT}",
            ),
            Check(
                "residual",
                rounding(0.77),
                "E+ = E P^-1 E / 4 with P = Q^T X X^T Q and E = P - L: deviation over |E+| + |L|, "
                f"{UNIT}",
            ),
            Check(
                "limit",
                rounding(1),
                f"X after 60 steps against Q L^(1/2) polar(W_0): relative deviation {UNIT}",
            ),
        ),
        f"{SYMMETRIC}; {CONDITIONED}; the first three of one step",
        equation=f"{THEORY}.symmetric (4)",
        test=f"{TESTS}/test_symmetric.py::test_law",
        trial=f"{TRIALS}.laws.polar_law",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
    ),
    Claim(
        "N5",
        "ScaledGD from the Nyström initialization converges quadratically, on symmetric and "
        "asymmetric factorization of at least the target's rank.",
        PAPER,
        (
            *(
                Check(
                    key,
                    QUADRATIC,
                    f"order of convergence at eta = 1/2, {words}",
                    claimed="quadratic",
                    predicted=QUADRATIC,
                )
                for key, words in (
                    ("exact", "symmetric, as many columns as the rank"),
                    ("over", "symmetric, twice as many columns as the rank"),
                    ("asymmetric", "asymmetric, as many columns as the rank"),
                )
            ),
            Check(
                "eta 0.4",
                QUADRATIC,
                "order of convergence at eta = 0.4, symmetric, as many columns as the rank",
                claimed="quadratic",
                predicted=LINEAR,
            ),
        ),
        "in 1920 digits to an error of 1e-480 (100 and 1e-25 at eta = 0.4), targets of rank 3 in "
        "the coordinates of their range, cond = 10, 1e3 and 1e6; the order is log(e_t/e_(t-1)) "
        "over log(e_(t-1)/e_(t-2)) at the end; updates of the asymmetric problem from the old "
        "values, the first one moving Y alone",
        equation=f"{THEORY}.symmetric (3)",
        test=f"{TESTS}/test_symmetric.py::test_order_in_multi_precision",
        trial=f"{TRIALS}.laws.order",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        where="abstract",
        separates="the step size is exactly 1/2",
    ),
    Claim(
        "N5b",
        "At any constant step size in (0, 1) the error of symmetric ScaledGD from the Nyström "
        "initialization shrinks in the end by |1 - 2 eta| a step.",
        "derived",
        (
            Check(
                "factor",
                rounding(1.1e-6),
                "absolute deviation of the last factor before a relative error of 1e-9 from |1 - 2 "
                "eta|, eta = 0.2, 0.3, 0.4, 0.49, 0.6, 0.8 and 0.9",
            ),
        ),
        f"{SYMMETRIC}; cond = 100; the deviation is what is left of the second order at 1e-9",
        equation=f"{THEORY}.symmetric (8)",
        test=f"{TESTS}/test_symmetric.py::test_any_other_step_size_is_linear",
        trial=f"{TRIALS}.laws.tail",
        kind=Kind.LAW,
        scope=Scope.EXACT,
    ),
    Claim(
        "N6",
        "From the Nyström initialization with eta = 1/2 the condition number and the sketch's "
        "scale cost symmetric ScaledGD no more than their log_4 in steps.",
        "derived",
        (
            Check(
                "steps beyond the distance",
                Within(high=EXTRA + 1),
                "steps to 1e-12 beyond log_4 of the distance of X_0, cond 10 to 1e6 at xi = 1 and "
                "xi 1e-6 to 1e6 at cond = 1e3; every run",
                predicted=Within(high=EXTRA + 1),
            ),
            Check(
                "slope",
                Within(high=1),
                "slope of the steps to 1e-12 against log_4 cond, cond 10 to 1e6 at xi = 1; mean "
                "over seeds",
                predicted=Within(high=1),
            ),
        ),
        f"{SYMMETRIC}, with X_0 times xi; Frobenius norms; the distance is max(y, 1/y) over the "
        "eigenvalues y of W_0 W_0^T, W_0 = L^(-1/2) Q^T X_0",
        equation=f"{THEORY}.symmetric (7)",
        test=f"{TESTS}/test_symmetric.py::test_law",
        trial=f"{TRIALS}.laws.symmetric_steps",
        kind=Kind.LAW,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "N6b",
        "ScaledGD needs fewer steps to 1e-12 from the Nyström initialization than from a small "
        "random one, on symmetric and asymmetric random targets of rank 6.",
        PAPER,
        tuple(
            Check(
                f"{problem}, cond {condition:g}",
                Within(low=1),
                f"steps from the small random initialization over those from the Nyström one, "
                f"{problem} target with cond = {condition:g}, geometric mean over targets",
                claimed="> 1",
                predicted=Within(low=1),
            )
            for problem in ("symmetric", "asymmetric")
            for condition in (1e1, 1e6)
        ),
        f"symmetric: {SYMMETRIC}. Asymmetric: {ASYMMETRIC}. eta = 1/2 for both; the small random "
        "factors have entries N(0, 1e-6), and on the asymmetric target they update alternately (X, "
        "then Y with the new X), because simultaneous updates from two random factors often never "
        "converge",
        equation=f"{THEORY}.symmetric (9)",
        test=f"{TESTS}/test_symmetric.py::test_law_at_any_step_size",
        trial=f"{TRIALS}.competitors.other_methods",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        where="abstract",
    ),
)
