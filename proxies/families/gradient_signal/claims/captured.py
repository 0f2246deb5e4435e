"""E1: what EVA's rows capture, and how well a sample finds them."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.gradient_signal.claims.links import EVA, TESTS, THEORY, TRIAL_TESTS, TRIALS

CLAIMS = (
    Claim(
        "E1",
        "EVA's rows from one pass of float32 sums capture the largest variance that orthonormal "
        "rows can.",
        EVA,
        (
            Check(
                "deficit",
                Within(high=1e-6),
                "relative deficit of variance against a float64 SVD, spectra j^-0.5, j^-1, j^-2",
                claimed="0",
                predicted="0",
            ),
            Check(
                "angle",
                Within(high=0.05),
                "largest principal angle to the rows of a float64 SVD in degrees, where the gap at "
                "the rank is 2 % or more",
                predicted="0",
            ),
            Check(
                "angle of bfloat16",
                Within(high=0.2),
                "largest principal angle to the rows of a float64 SVD in degrees, inputs rounded "
                "to bfloat16, where the gap at the rank is 2 % or more",
                predicted="0",
            ),
            Check(
                "deficit on MiniLM",
                Within(high=1e-6),
                "relative deficit of variance against a float64 SVD, three layers of MiniLM on "
                "real text",
                claimed="0",
                predicted="0",
            ),
        ),
        "256 inputs, rank 16, 4096 tokens; MiniLM: 384 inputs, rank 8",
        equation=f"{THEORY}.optimum (2)",
        test=f"{TESTS}/test_optimum.py::test_optimum",
        trial=f"{TRIALS}.laws.captured_variance",
    ),
    Claim(
        "E1b",
        "EVA's stopping rule, a cosine of 0.99 between successive rows, leaves an angle of at "
        "most arccos(0.99) to the population's rows.",
        EVA,
        (
            Check(
                "angle",
                Within(high=8.11),
                "largest principal angle to the population's rows in degrees, where the rule stops",
                claimed="<= 8.11",
                predicted="> 8.1",
                expected=Verdict.REFUTED,
            ),
        ),
        "Gaussian populations of 64 inputs with variances j^-0.5 and j^-1, rank 8, batches of 256 "
        "tokens",
        equation=f"{THEORY}.risk (5)",
        test=f"{TRIAL_TESTS}/test_laws.py::test_the_stopping_rule_leaves_a_large_angle",
        trial=f"{TRIALS}.laws.sampling",
    ),
    Claim(
        "E1c",
        "Two halves of a sample predict the error of its subspace: the mean sin^2 of its angles "
        "to the population's is (1 - mean cos^2 between the halves)/4.",
        "derived",
        (
            Check(
                "ratio",
                Within(0.8, 1.25),
                "predicted over true mean sin^2 of 4096 tokens",
                predicted="1",
            ),
        ),
        "Gaussian populations of 64 inputs with variances j^-0.5 and j^-1, rank 8; true to first "
        "order in the error",
        equation=f"{THEORY}.risk (5)",
        test=f"{TESTS}/test_risk.py::test_split_halves_foretell_the_error",
        trial=f"{TRIALS}.laws.sampling",
    ),
)
