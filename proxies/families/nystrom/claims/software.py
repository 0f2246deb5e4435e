"""N13 and N14: what an initialization costs, and what released code does."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.nystrom.claims.links import TESTS, THEORY, TRIAL_TESTS, TRIALS

SPIKED = (
    "weights W = G/2 + U diag(8 k^(-0.7)) V^T, 1024 x 1024 in float32, G of entries N(0, 1/1024), "
    "128 spikes, U and V orthonormal and uniform; a draw is a weight; the randomised decomposition "
    "has 16 + 48 Gaussian columns, four power iterations with a QR each and a small singular value "
    "decomposition; a flat spectrum defeats any randomised method"
)
PEFT = (
    "PEFT 0.21 on CPU, one 64 x 96 linear layer with standard normal W, rank 8, float32; a draw is "
    "a weight with its data"
)

CLAIMS = (
    Claim(
        "N13",
        "A randomised decomposition gives the top 16 singular values of a spiked 1024 x 1024 "
        "weight within 1 % and their left singular vectors at a mean squared cosine of 0.99.",
        "derived",
        (
            Check(
                "singular values",
                Within(high=0.01),
                "largest relative error of the top 16 singular values, mean over weights",
            ),
            Check(
                "singular vectors",
                Within(low=0.99),
                "mean squared cosine between the spaces of the top 16 left singular vectors, mean "
                "over weights",
            ),
        ),
        SPIKED,
        equation=f"{THEORY}.sketch.randomized_svd",
        test=f"{TESTS}/test_sketch.py::test_randomised_decomposition_is_exact_within_the_rank",
        trial=f"{TRIALS}.adaptation.factorisation_cost",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "N13b",
        "An initialization from a randomised decomposition, or from a sketch, of a 1024 x 1024 "
        "weight takes less processor time than one from its full decomposition.",
        "derived",
        tuple(
            Check(
                f"full over {name}",
                Within(low=1),
                f"processor time of numpy's full decomposition over that of {words}, geometric "
                "mean over weights",
            )
            for name, words in (
                ("randomised", "the randomised one"),
                ("sketch", "the sketch N W with 16 rows"),
            )
        ),
        f"{SPIKED}; one thread on one machine, each weight by every method in turn",
        equation=f"{THEORY}.sketch.randomized_svd",
        test=f"{TESTS}/test_sketch.py::test_randomised_decomposition_is_exact_within_the_rank",
        trial=f"{TRIALS}.adaptation.factorisation_cost",
        kind=Kind.RESOURCE,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "N14",
        "PEFT's lora_ga initializes B at a size that does not depend on the scale of the loss.",
        "derived",
        (
            Check(
                "exponent",
                Within(-0.1, 0.1),
                "exponent of |B| in the scale of the loss, from scales 1 and 10; a tenth is 26 % "
                "over that decade",
                predicted=Within(0.999, 1.001),
            ),
        ),
        f"{PEFT}: 256 standard normal inputs and outputs, mean squared error, LoraGAConfig() as it "
        "comes. arXiv:2407.05000 takes the gradient's singular vectors without its singular values",
        test=f"{TRIAL_TESTS}/test_trials.py::test_released_code_departs_from_what_is_published",
        trial=f"{TRIALS}.adaptation.released_implementations",
        kind=Kind.LAW,
        scope=Scope.RELEASED,
    ),
    Claim(
        "N14b",
        "PEFT's olora takes what the adapter carries out of the base weight, also at alpha = 2 r.",
        "derived",
        (
            Check(
                "left",
                Within(high=0.1),
                "share left in the base weight W' of what W has in the adapter's column space, "
                "|B^T W'|/|B^T W|, alpha = 16",
                predicted=Within(0.999, 1.001),
            ),
        ),
        f"{PEFT}; B has orthonormal columns, so that s = 2 leaves (1 - s) B B^T W",
        test=f"{TRIAL_TESTS}/test_trials.py::test_released_code_departs_from_what_is_published",
        trial=f"{TRIALS}.adaptation.released_implementations",
        kind=Kind.LAW,
        scope=Scope.RELEASED,
    ),
)
