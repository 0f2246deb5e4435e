"""L2: the calculus itself, at every pair of learning rates."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.lr_stability.claims.settings import (
    ADAM,
    DRAWN,
    LINEAR,
    MUP,
    STARTS,
    TESTS,
    TRIALS,
)

CALCULUS = (
    Claim(
        "L2",
        "In a network with one adapted layer, from nine initializations and at 16 pairs of "
        "learning rates, features, their changes and the output grow with the width as the "
        "max-plus calculus predicts.",
        "derived",
        (
            Check(
                "features",
                Within(high=0.125),
                "distance of a slope from its exponent, of Z_A, Z_B, delta1, delta2, delta3, over "
                "all initializations, pairs of learning rates and both numbers of steps",
                predicted=at(0),
            ),
            Check(
                "output",
                Within(high=0.25),
                "distance of a slope from its exponent, of the change of the output, over all "
                "initializations, pairs of learning rates and both numbers of steps",
                predicted=at(0),
            ),
        ),
        f"{MUP}. {STARTS}; Gaussian, orthogonal, EVA, whitened EVA, both factors of Init[A]'s "
        "size, and B and A with r orthonormal columns and rows, those of A random or along the "
        f"leading eigenvectors of the covariance of h. {ADAM}; {LINEAR}. Learning rates 0.3 n^c, c "
        "= -3/2, -1, -1/2, 0 for each factor, after 1 and 6 steps; slopes of log2 in log2 n over n "
        "= 2^8, 2^10, 2^12, 2^14 of root mean squares over entries and samples, mean over seeds; "
        f"{DRAWN}. Exponents at these learning rates are multiples of 1/2: the criterion is a "
        "quarter of that for features and a half of it for the output, which sums over the width "
        "twice",
        equation="theory.lr_stability.dynamics.exponents",
        test=f"{TESTS}/test_stability.py::test_exponents_are_the_slopes_of_the_recursion_itself",
        trial=f"{TRIALS}.sweep.powers",
        kind=Kind.LAW,
        scope=Scope.SIMULATION,
    ),
)
