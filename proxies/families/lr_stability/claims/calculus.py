"""L1, L2 and L12: the calculus itself, and the engine that measures what it predicts."""

from loralab.claims import Check, Claim, Within
from proxies.families.lr_stability.claims.checks import SEE, TESTS, TRIALS, ZERO

CALCULUS = (
    Claim(
        "L1",
        "The largest stable learning rate of both factors is n^c, c = min(-sigma - alpha, "
        "-sigma - b - 1, -(1 + sigma)/2).",
        "derived",
        (
            Check(
                "closed form",
                ZERO,
                "cases in which the calculus differs from the closed form",
                predicted="0",
            ),
            Check(
                "Init[A]",
                Within(-0.5, -0.5),
                "exponent of the largest stable learning rate, Init[A]",
                predicted="-1/2",
            ),
            Check(
                "Init[B]",
                Within(-1, -1),
                "exponent of the largest stable learning rate, Init[B]",
                predicted="-1",
            ),
            Check(
                "LoRA+",
                Within(2, 2),
                "how many of Init[A] and Init[B] have (-1, 0) as their only efficient pair with "
                "Z_A of order 1",
                predicted="2",
            ),
            Check(
                "SGD",
                ZERO,
                "distance of the cycle condition of SGD from c_A + c_B <= 0",
                predicted="0",
            ),
        ),
        "A_0 x of order n^alpha, B_0 of entries n^b, s = n^sigma; exact in rationals, proved in "
        "theory.lr_stability",
        equation=f"{SEE} (4)",
        test=f"{TESTS}/test_stability.py::test_the_closed_form_of_the_largest_single_rate",
        trial=f"{TRIALS}.laws.theorems",
    ),
    Claim(
        "L2",
        "The max-plus calculus predicts how features, their changes and the output grow with the "
        "width.",
        "derived",
        (
            Check(
                "features",
                Within(high=0.15),
                "distance of a slope from its exponent, of Z_A, Z_B, delta1, delta2, delta3, whole "
                "grid",
                predicted="0",
            ),
            Check(
                "share of features",
                Within(low=0.97),
                "share of the slopes of Z_A, Z_B, delta1, delta2, delta3 within 0.1 of their "
                "exponent",
                predicted="1",
            ),
            Check(
                "mean over features",
                Within(high=0.04),
                "mean distance of the slopes of Z_A, Z_B, delta1, delta2, delta3 from their "
                "exponent",
                predicted="0",
            ),
            Check(
                "output",
                Within(high=0.25),
                "distance of a slope from its exponent, of the output's change, whole grid",
                predicted="0",
            ),
            Check(
                "zeros",
                ZERO,
                "quantities that are not zero where the calculus says that they are",
                predicted="0",
            ),
        ),
        "nine initializations x 16 pairs of learning rates 0.3 n^c, c = -3/2, -1, -1/2, 0, after 1 "
        "and 6 Adam steps, mean over seeds",
        equation="theory.lr_stability.dynamics.exponents",
        test=f"{TESTS}/test_stability.py::test_exponents_are_the_slopes_of_the_recursion_itself",
        trial=f"{TRIALS}.sweep.powers",
    ),
)

ENGINE = (
    Claim(
        "L12",
        "The batched engine gives the losses of a loop of single runs with an explicit weight, in "
        "a fraction of its time.",
        "derived",
        (
            Check(
                "losses",
                Within(high=1e-10),
                "relative difference of losses after 10 steps, float64, engine against loop",
                predicted="0",
            ),
            Check(
                "covariance",
                Within(high=5),
                "largest difference of an entry of the covariance of P from H^T H / n, in standard "
                "errors",
                predicted="0",
            ),
            Check(
                "time",
                Within(low=5),
                "processor time of the loop over that of the engine, width 1024",
                predicted=">> 1",
            ),
        ),
        test="tests/proxies/lr_stability/test_engine.py::test_training_is_autograd",
        trial=f"{TRIALS}.laws.exactness",
    ),
)
