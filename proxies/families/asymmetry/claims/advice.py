"""Whether moments of a layer predict which factor to freeze."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.asymmetry.claims.classifiers import DATA, NEW, TUNED
from proxies.families.asymmetry.claims.explained import LAWS, MORE, TRIALS

BEYOND_CHANCE = Within(low=0.5)
DECIDED = 0.03  # a lead of one factor, in the share of a loss, that counts as decided
APART = 4  # standard errors of the mean lead over draws of the frozen factors, in least squares
ADVISED = ("digits", "synthetic", "synthetic, 64 classes")  # keys of DATA
SINGLE_RANKS = (2, 8)
ADVICE = (
    "the advice names the factor that explains the larger share in a local quadratic model: "
    "sum_ji c_ji p_i for B and sum_ji c_ji p_j for A, c_ji = (u_j^T G v_i)^2/(mu_j lambda_i) from "
    "the mean gradient G, in two halves of the samples, the inputs' second moment (lambda_i, v_i) "
    "and the curvature H in the layer's output (mu_j, u_j), p = lambda/(lambda + gamma) with the "
    "sum r"
)

CLAIMS = (
    Claim(
        "A15",
        "Moments of a layer's inputs and output gradients say beyond chance which factor to freeze "
        "in least squares and for one changed layer of a small regression network.",
        "derived",
        (
            Check(
                "least squares",
                BEYOND_CHANCE,
                "least squares, 16 to 96 inputs and outputs with variances and curvatures i^-a, a "
                "in [0, 2], rank 1 to 8, 2000 samples with noise: share of the problems advised "
                f"rightly, of those in which the mean lead over 400 draws of the frozen factors is "
                f"more than {APART} standard errors from 0",
                predicted=BEYOND_CHANCE,
            ),
            Check(
                "networks",
                BEYOND_CHANCE,
                "the networks of A5 with 16 to 48 inputs and hidden units, 8 to 48 outputs, "
                "Gaussian V, inputs of variance l_i = i^-a, a in [0, 2], D of variance l_i^b, b in "
                "[-2, 2], rank 2, 4 or 8, each at random, H = E[J^T J]: share advised rightly, of "
                f"those in which one factor removes a share of the test loss that is {DECIDED} "
                "larger than the other's",
                predicted=BEYOND_CHANCE,
            ),
        ),
        ADVICE,
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        equation="theory.asymmetry.freezing (2)",
        test=f"{LAWS}::test_advice",
        trial=f"{TRIALS}.advice.linear",
    ),
    *(
        Claim(
            id,
            f"In small classifiers of {data} taken to new inputs and labels it pays to train the "
            "factor of one layer that moments of its inputs and output gradients name, and not "
            "the other one.",
            "derived",
            tuple(
                Check(
                    key,
                    MORE,
                    "test accuracy with the factor trained that the advice names less that with "
                    "the other one trained, mean over a network's two layers, each adapted alone, "
                    f"rank {rank}; {DATA[name][2]}",
                    predicted=MORE,
                )
                for key, name, rank in cases
            ),
            f"{ADVICE}; H the Fisher matrix over labels drawn from the pretrained network's own "
            "prediction; every case counts, by its difference, and none is left out as undecided. "
            f"{TUNED}",
            kind=Kind.EFFECT,
            scope=Scope.SMALL,
            separates="a rank well below the number of classes",
            equation="theory.asymmetry.freezing (2)",
            test="tests/proxies/asymmetry/test_trials.py::"
            "test_the_fisher_matrix_is_the_covariance_of_gradients_over_drawn_labels",
            trial=f"{TRIALS}.advice.on_layers",
        )
        for id, data, cases in (
            (
                "A15b",
                "scikit-learn's digits",
                [(f"rank {rank}", "digits", rank) for rank in SINGLE_RANKS],
            ),
            (
                "A15c",
                "synthetic data",
                [
                    (f"{name}, rank {rank}", name, rank)
                    for name in ADVISED
                    if name in NEW
                    for rank in SINGLE_RANKS
                ],
            ),
        )
    ),
)
