"""N1 to N6: the exact laws of scaled gradient descent from the Nyström initialization."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.nystrom.claims.links import (
    EXTRA,
    PAPER,
    ROUNDING,
    SIX,
    TESTS,
    THEORY,
    TRIALS,
    UNIT,
)

QUADRATIC = Within(1.999, 2.001)

CLAIMS = (
    Claim(
        "N1",
        "From the Nyström initialization, asymmetric ScaledGD stays on X_t Y_t^T = d_t A with d_t "
        "a universal scalar recursion.",
        "derived",
        (
            Check(
                "deviation",
                ROUNDING,
                "largest deviation of the relative error from |d_t - 1| over 12 steps and eta in "
                f"0.1, 0.5, 0.9, 1, {UNIT}",
                predicted="0",
            ),
        ),
        "rank at least that of A, simultaneous updates, the first step moving Y alone, cut "
        "pseudo-inverse",
        equation=f"{THEORY}.asymmetric (3)",
        test=f"{TESTS}/test_asymmetric.py::test_scalar_law_over_parameterised",
        trial=f"{TRIALS}.laws.scalar_law",
    ),
    Claim(
        "N2",
        "From the Nyström initialization asymmetric ScaledGD with eta = 1/2 takes the same number "
        "of steps for every target.",
        "derived",
        (
            Check(
                "steps",
                Within(SIX, SIX),
                "steps to 1e-12, condition number of X_0 up to 1e5",
                predicted=f"{SIX}",
            ),
        ),
        "Rounding leaks up to eps cond(X_0) out of range(A), and what leaked only halves at each "
        "step: beyond cond(X_0) = 1e5 some runs take 7 to 10 steps to 1e-12.",
        equation=f"{THEORY}.asymmetric (3)",
        test=f"{TESTS}/test_asymmetric.py::test_six_steps_and_universal_errors",
        trial=f"{TRIALS}.laws.scalar_law",
    ),
    Claim(
        "N3",
        "With eta = 1 ScaledGD from the Nyström initialization solves the asymmetric problem in "
        "one step and the symmetric one never.",
        "derived",
        (
            Check(
                "one step",
                ROUNDING,
                f"asymmetric: relative error after one step, {UNIT}",
                predicted="0",
            ),
            Check(
                "cycle",
                Within(high=1000),
                "symmetric: relative change of 1 + error over two steps, in units of eps c",
                predicted="a 2-cycle",
            ),
            Check(
                "lowest error",
                Within(low=0.01),
                "symmetric: lowest relative error in 12 steps",
                predicted="> 0",
            ),
        ),
        "c is the distance of X_0, max(y, 1/y) over the eigenvalues y of W_0 W_0^T; eta = 1 damps "
        "no rounding, so 12 steps add it up (worst of 4900 problems: 135 units), and only "
        "initializations with c <= 1e6 are compared",
        equation=f"{THEORY}.symmetric (4)",
        test=f"{TESTS}/test_symmetric.py::test_step_size_one_is_a_cycle",
        trial=f"{TRIALS}.laws.polar_law",
    ),
    Claim(
        "N4",
        "Symmetric ScaledGD from the Nyström initialization moves only the singular values of W = "
        "L^(-1/2) Q^T X, and ends at Q L^(1/2) polar(W_0).",
        "derived",
        (
            Check("map", ROUNDING, f"W+ = (W + W^+T)/2: deviation {UNIT}", predicted="0"),
            Check(
                "singular values",
                ROUNDING,
                f"sigma+ = (sigma + 1/sigma)/2: deviation {UNIT}",
                predicted="0",
            ),
            Check("residual", ROUNDING, f"E+ = E P^-1 E / 4: deviation {UNIT}", predicted="0"),
            Check(
                "limit",
                ROUNDING,
                f"X after 60 steps against Q L^(1/2) polar(W_0): deviation {UNIT}",
                predicted="0",
            ),
        ),
        "eta = 1/2, exact rank",
        equation=f"{THEORY}.symmetric (4)",
        test=f"{TESTS}/test_symmetric.py::test_law",
        trial=f"{TRIALS}.laws.polar_law",
    ),
    Claim(
        "N5",
        "ScaledGD from the Nyström initialization converges quadratically.",
        PAPER,
        (
            Check(
                "eta 1/2",
                QUADRATIC,
                "order of convergence at eta = 1/2, in multi-precision",
                claimed="2",
                predicted="2",
            ),
            Check(
                "eta 0.4",
                QUADRATIC,
                "order of convergence at eta = 0.4, in multi-precision",
                claimed="2",
                predicted="1",
                expected=Verdict.REFUTED,
            ),
        ),
        "symmetric, exact rank; true at eta = 1/2 alone, with simultaneous updates and no part "
        "outside range(A)",
        equation=f"{THEORY}.symmetric (3)",
        test=f"{TESTS}/test_symmetric.py::test_order_in_multi_precision",
        trial=f"{TRIALS}.laws.order",
    ),
    Claim(
        "N5b",
        "At any constant step size in (0, 1) the error of ScaledGD from the Nyström initialization "
        "shrinks in the end by |1 - 2 eta| a step.",
        "derived",
        (
            Check(
                "factor",
                Within(high=1e-4),
                "deviation of the last factor before 1e-9 from |1 - 2 eta|, seven eta other than "
                "1/2",
                predicted="0",
            ),
        ),
        equation=f"{THEORY}.symmetric (8)",
        test=f"{TESTS}/test_symmetric.py::test_any_other_step_size_is_linear",
        trial=f"{TRIALS}.laws.tail",
    ),
    Claim(
        "N6",
        "From the Nyström initialization with eta = 1/2 the condition number and the sketch's "
        "scale cost only their log_4 in steps.",
        "derived",
        (
            Check(
                "steps beyond the distance",
                Within(2.5, EXTRA + 1),
                "steps to 1e-12 beyond log_4 of the distance of X_0, condition number 10 to 1e6 "
                "and xi 1e-6 to 1e6",
                predicted=f"<= {EXTRA + 1:.2f}",
            ),
            Check(
                "slope",
                Within(0.65, 1),
                "mean slope of steps against log_4 of the condition number",
                predicted="<= 1",
            ),
            Check(
                "ill-conditioned",
                Within(high=20),
                "mean steps to 1e-12 at condition number 1e6",
                predicted="< 20",
            ),
            Check(
                "gradient descent",
                Within(low=100),
                "steps of gradient descent over those of ScaledGD, condition number 100",
                predicted="about cond log(1e12) / (2 eta steps)",
            ),
        ),
        "symmetric, exact rank; a draw takes j steps more than the mean with a chance near 2^-j, "
        "since the smallest singular value of a Gaussian sketch has a heavy tail (27 steps in the "
        "worst of 3000 draws at 1e6); gradient descent has the better of eta = 0.5 and 0.9 (1 is "
        "its limit of stability)",
        equation=f"{THEORY}.symmetric (7)",
        test=f"{TESTS}/test_symmetric.py::test_law",
        trial=f"{TRIALS}.laws.symmetric_steps",
    ),
)
