"""OP14 to OP14c: what CMMD can show."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.overparam_generation.claims.cases import (
    EQUATION,
    LAWS,
    PAPER,
    TESTS,
    TRIALS,
)

Z = Within(-3.5, 3.5)
FIFTEEN = Within(low=15)

DISTANCES = (
    Claim(
        "OP14",
        "CMMD lies between 0 and 39.6; it is 9.90 times the squared distance of the mean "
        "embeddings and at most 0.0997 more; between two samples of one distribution its mean is "
        "1000 (1/n + 1/m)(1 - kappa), and 0 if unbiased.",
        "derived",
        (
            Check(
                "equal sets",
                Within(high=1e-9),
                "CMMD of a set and itself in another order",
                predicted="0",
            ),
            Check(
                "opposite points",
                Within(1 - 1e-9, 1 + 1e-9),
                "CMMD of opposite points over 2000 (1 - exp(-0.02)) = 39.60",
                predicted="1",
            ),
            Check(
                "least beyond means",
                Within(low=-1e-9),
                "least of CMMD minus 9.90 times the squared distance of the means, over 0.0997",
                predicted=">= 0",
            ),
            Check(
                "most beyond means",
                Within(high=1),
                "most of CMMD minus 9.90 times the squared distance of the means, over 0.0997",
                predicted="<= 1",
            ),
            Check(
                "means of digits",
                Within(0.98, 1.02),
                "10 times the squared distance of the means over CMMD, images of the base model "
                "against the target",
                predicted="1",
            ),
            *(
                Check(
                    f"null, {kind}",
                    Z,
                    f"mean of {kind} CMMD over disjoint samples of digits, minus the predicted "
                    "mean, in standard errors",
                    predicted="0",
                )
                for kind in ("biased", "unbiased")
            ),
        ),
        "as defined: Gaussian kernel with sigma 10, unit-norm embeddings, times 1000, all pairs; "
        "kappa: the mean kernel of two independent draws",
        equation=f"{EQUATION} (3)",
        test=f"{LAWS}::test_the_means_leave_little",
        trial=f"{TRIALS}.facts.ends",
    ),
    Claim(
        "OP14b",
        "CMMD hardly sees lost diversity; an MMD with the median bandwidth does.",
        "derived",
        (
            Check(
                "rise",
                Within(low=1.5),
                "rise of the MMD over the rise of CMMD, 20 images chosen for their mean, each 20 "
                "times, in place of 400",
                predicted="> 1",
            ),
        ),
        "a rise: the distance of the 20 repeated images to other images over that of the 400",
        equation=f"{EQUATION} (3)",
        test=f"{TESTS}/test_sweep.py::test_facts_on_digits",
        trial=f"{TRIALS}.facts.diversity",
    ),
    Claim(
        "OP14c",
        "An adapter can improve CMMD by 15 points.",
        PAPER,
        tuple(
            Check(
                key,
                FIFTEEN,
                condition,
                claimed="15",
                predicted="<= 19.9",
                expected=Verdict.REFUTED,
            )
            for key, condition in (
                (
                    "new classes",
                    "CMMD of the base model's images to new classes, the most that there is to "
                    "gain",
                ),
                (
                    "new style",
                    "CMMD of the base model's images to a new style, the most that there is to "
                    "gain",
                ),
                (
                    "any two sets",
                    "largest CMMD of any two of six sets of images, noise and grey among them",
                ),
            )
        ),
        "on the scale of the definition, with this project's classifier for CLIP; the paper does "
        "not give its scale",
        equation=f"{EQUATION} (5)",
        test=f"{LAWS}::test_cmmd_ends_where_it_is_said_to",
        trial=f"{TRIALS}.scores.anchors",
    ),
)
