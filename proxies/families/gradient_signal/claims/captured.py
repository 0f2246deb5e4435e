"""E1: what EVA's rows capture, and how well a sample finds them."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.gradient_signal.claims.links import (
    EVA,
    MINILM_LAYERS,
    TESTS,
    THEORY,
    TRIAL_TESTS,
    TRIALS,
)

POPULATION = (
    "Gaussian inputs of 64 independent coordinates with variances j^-0.5 or j^-1, j = 1..64; rank 8"
)

CLAIMS = (
    Claim(
        "E1",
        "EVA's rows from one pass of float32 sums capture the largest variance that orthonormal "
        "rows can, on synthetic spectra and in layers of MiniLM.",
        EVA,
        (
            Check(
                "deficit",
                Within(high=1e-13),
                "relative deficit of the captured variance against a float64 SVD of the tokens",
                claimed="0",
            ),
            Check(
                "angle",
                Within(high=6e-4),
                "largest principal angle to the rows of a float64 SVD in degrees, over problems "
                "whose eigenvalues 16 and 17 differ by 2 % or more",
            ),
            Check(
                "deficit of bfloat16",
                Within(high=1e-5),
                "relative deficit of the captured variance against a float64 SVD of the tokens, "
                "from the tokens rounded to bfloat16",
                claimed="0",
            ),
            Check(
                "deficit on MiniLM",
                Within(high=4e-14),
                "relative deficit of the captured variance against a float64 SVD, the first three "
                f"of the {MINILM_LAYERS}",
                claimed="0",
                scope=Scope.ENCODER,
            ),
        ),
        "4096 Gaussian tokens of 256 inputs with variances j^-0.5, j^-1 or j^-2 in a random basis, "
        "plus a random mean; 8 batches; rank 16. Bars at most ten times the worst rounding seen in "
        "exploration",
        equation=f"{THEORY}.optimum (2)",
        test=f"{TESTS}/test_optimum.py::test_optimum",
        trial=f"{TRIALS}.laws.captured_variance",
        kind=Kind.IDENTITY,
        scope=Scope.SIMULATION,
        where="theorem 3.1",
    ),
    Claim(
        "E1b",
        "Where EVA's stopping rule stops (cosine 0.99, 8.1 degrees, between the rows of successive "
        "batches), the rows are further from the population's than the rule's own angle, on "
        "Gaussian populations.",
        "derived",
        tuple(
            Check(
                f"angle, decay {decay}",
                Within(low=8.11),
                "largest principal angle in degrees between the rows where the rule stops and the "
                f"population's, variances j^-{decay}, batches of 256 tokens",
                predicted=Within(low=8.11),
            )
            for decay in ("0.5", "1")
        ),
        f"{POPULATION}; rows from the sums of all batches so far; it stops when each of the 8 rows "
        "has a cosine of 0.99 or more to the same row one batch earlier; mean over seeds",
        equation=f"{THEORY}.risk (5)",
        test=f"{TRIAL_TESTS}/test_laws.py::test_the_stopping_rule_leaves_a_large_angle",
        trial=f"{TRIALS}.laws.sampling",
        scope=Scope.SIMULATION,
        kind=Kind.EFFECT,
    ),
    Claim(
        "E1c",
        "Two halves of a sample predict, within a quarter, the error of its subspace on Gaussian "
        "populations: the mean sin^2 of its angles to the population's is (1 - mean cos^2 between "
        "the halves)/4.",
        "derived",
        tuple(
            Check(
                f"ratio, decay {decay}",
                Within(0.8, 1.25),
                "predicted over true mean sin^2 of 4096 tokens, the ratio of the means over seeds, "
                f"variances j^-{decay}",
                predicted=at(1),
            )
            for decay in ("0.5", "1")
        ),
        f"{POPULATION}; halves are the even and the odd tokens, rows of their second moments; true "
        "to first order in the error",
        equation=f"{THEORY}.risk (5)",
        test=f"{TESTS}/test_risk.py::test_split_halves_foretell_the_error",
        trial=f"{TRIALS}.laws.sampling",
        scope=Scope.SIMULATION,
        kind=Kind.EFFECT,
    ),
)
