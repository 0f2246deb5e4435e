"""N11 to N14: what carries over to low-rank adaptation, what it costs, and what released code
does."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.nystrom.claims.links import PAPER, TESTS, THEORY, TRIAL_TESTS, TRIALS

ALIGNMENTS = (0.0, 0.5, 0.9, 1.0)
NO_EXPONENT = Within(-1e-3, 1e-3)
TRANSFER = (
    "ScaledGD with eta = 1/2 to 1e-10 on a rank-4 change of a 128 x 128 weight, zero product at "
    "first; overlap is the weight of the change's column space in the dominant one of the "
    "pretrained weight"
)


def overlap(alignment: float) -> str:
    """The key of a check at one overlap."""
    return f"overlap {alignment:g}"


CLAIMS = (
    Claim(
        "N11",
        "A Nyström sketch of the pretrained weight speeds up low-rank adaptation to another "
        "target.",
        PAPER,
        tuple(
            Check(
                overlap(alignment),
                Within(low=1.1),
                "steps from a random initialization over those from a sketch of the weight, "
                f"{overlap(alignment)}",
                claimed="> 1",
                predicted="1",
                expected=Verdict.REFUTED,
            )
            for alignment in ALIGNMENTS
        ),
        TRANSFER,
        equation=f"{THEORY}.asymmetric (5)",
        test=f"{TRIAL_TESTS}/test_trials.py::test_only_a_sketch_of_the_gradient_saves_steps",
        trial=f"{TRIALS}.adaptation.transfer",
    ),
    Claim(
        "N11b",
        "A Nyström sketch of the loss gradient at the pretrained weight speeds up low-rank "
        "adaptation to another target.",
        "derived",
        tuple(
            Check(
                overlap(alignment),
                Within(low=4),
                "steps from a random initialization over those from a sketch of the gradient, "
                f"{overlap(alignment)}",
                predicted="> 5",
            )
            for alignment in ALIGNMENTS
        ),
        f"{TRANSFER}; the gradient at zero is the target itself with its sign changed",
        equation=f"{THEORY}.asymmetric (3)",
        test=f"{TRIAL_TESTS}/test_trials.py::test_only_a_sketch_of_the_gradient_saves_steps",
        trial=f"{TRIALS}.adaptation.transfer",
    ),
    Claim(
        "N11c",
        "A sketch of the pretrained weight lowers the error after one step, by its overlap with "
        "the target.",
        "derived",
        (
            Check(
                "law",
                Within(high=100),
                "error after one step against sqrt(1 - eta (2 - eta) |P D|^2/|D|^2), in units of "
                "eps",
                predicted="0",
            ),
            Check(
                overlap(0),
                Within(0.97, 1.03),
                "error after one step from a sketch of the weight over that from a random "
                f"initialization, {overlap(0)}",
                predicted="1",
            ),
            Check(
                overlap(1),
                Within(high=0.9),
                "error after one step from a sketch of the weight over that from a random "
                f"initialization, {overlap(1)}",
                predicted="< 1",
            ),
        ),
        TRANSFER,
        equation=f"{THEORY}.asymmetric (6)",
        test=f"{TESTS}/test_asymmetric.py::test_law",
        trial=f"{TRIALS}.adaptation.transfer",
    ),
    Claim(
        "N12",
        "The scale xi of the Nyström sketch is not critical.",
        PAPER,
        (
            Check(
                "preconditioned",
                NO_EXPONENT,
                "exponent in xi of the weight's first change, scaled gradient step",
                claimed="0",
                predicted="0",
            ),
            Check(
                "gradient",
                NO_EXPONENT,
                "exponent in xi of the weight's first change, plain gradient step",
                claimed="0",
                predicted="2",
                expected=Verdict.REFUTED,
            ),
            Check(
                "released",
                NO_EXPONENT,
                "exponent in xi of the weight's first change, NoRA+ in Adam as released",
                claimed="0",
                predicted="1",
                expected=Verdict.REFUTED,
            ),
        ),
        "NoRA initialization A = (xi/s) N W, B = 0, xi from 1e-3 to 1e3",
        equation=f"{THEORY}.sketch (2)",
        test=f"{TESTS}/test_sketch.py::test_first_changes_scale_as_stated",
        trial=f"{TRIALS}.adaptation.scale_exponents",
    ),
    Claim(
        "N13",
        "An initialization needs no full decomposition: a randomised one is as good on a spiked "
        "weight, and a sketch costs less.",
        "derived",
        (
            Check(
                "singular values",
                Within(high=0.01),
                "largest relative error of the top 16 singular values",
                predicted="< 1e-2",
            ),
            Check(
                "singular vectors",
                Within(low=0.99),
                "mean squared cosine to the top 16 left singular vectors",
                predicted="> 0.99",
            ),
            Check(
                "time over randomised",
                Within(low=5),
                "time of the full decomposition over that of the randomised one",
                predicted="> 5",
            ),
            Check(
                "time over sketch",
                Within(low=30),
                "time of the full decomposition over that of the sketch",
                predicted="> 30",
            ),
        ),
        "1024 x 1024 float32, oversampling 48, four power iterations; a flat spectrum defeats any "
        "randomised method",
        equation=f"{THEORY}.sketch.randomized_svd",
        test=f"{TESTS}/test_sketch.py::test_randomised_decomposition_is_exact_within_the_rank",
        trial=f"{TRIALS}.adaptation.factorisation_cost",
    ),
    Claim(
        "N14",
        "Three released implementations carry out the initialization that they are named for.",
        "derived",
        (
            Check(
                "lora_ga",
                Within(-0.1, 0.1),
                "PEFT lora_ga: exponent of |B| in the loss's scale (published: 0)",
                predicted="1",
                expected=Verdict.REFUTED,
            ),
            Check(
                "olora",
                Within(high=0.99),
                "PEFT olora, s = 2: |W - s B A|/|W| (a reflection at 1)",
                predicted="1",
                expected=Verdict.REFUTED,
            ),
            Check(
                "nora",
                Within(low=0.1),
                "NoRA's code: relative change of the layer by the sketch",
                predicted="0",
                expected=Verdict.REFUTED,
            ),
        ),
        "PEFT 0.21; NoRA's code assigns the sketch to an attribute of the module, which its "
        "forward pass never reads",
        test=f"{TRIAL_TESTS}/test_trials.py::test_released_code_departs_from_what_is_published",
        trial=f"{TRIALS}.adaptation.released_implementations",
    ),
)
