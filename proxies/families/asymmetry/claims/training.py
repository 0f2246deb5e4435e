"""How training one factor goes: conditioning, generalisation, and layers inside networks."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.asymmetry.claims.explained import LAWS, LESS, MORE, PAPER, TRIALS

ONE = Within(low=1)
# By trained factor: samples so few that n - k - 1 and n - k differ by a tenth for its k features,
# both in words, and the gap over one with n - k.
NEAR = {
    "B": (10, "B trained at rank 4", 1.125),
    "B2": (16, "B trained at rank 8", 1.095),
    "A": (40, "A trained at rank 4", 1.119),
}
TRIAL_TESTS = "tests/proxies/asymmetry/test_trials.py"
NETWORKS = {
    "tanh": "y = V tanh(W x)",
    "relu": "y = V relu(W x)",
    "two layers": "y = V tanh(W' tanh(W x))",
    "gated": "y = V (silu(G x) * W x)",
}
UNGATED = ("tanh", "relu", "two layers")
# by case of teacher.CASES: the case in words, and what theory.asymmetry.freezing predicts
CARRIED = {
    "decaying": ("inputs of variance i^-1.5, Gaussian D", MORE),
    "decaying, like a gradient": (
        "inputs of variance l_i = i^-1.5, D Gaussian with variance l_i^2 in its column i",
        MORE,
    ),
    "decaying, anti": (
        "inputs of variance l_i = i^-1.5, D Gaussian with variance l_i^-2 in its column i",
        LESS,
    ),
}
TEACHER = (
    "32 inputs, hidden units and outputs; the first layer W, Gaussian of variance 1/32 as W' and G "
    "are, is changed to W + D by the teacher, D with one factor so that D x has mean square 1/4 "
    "over its units; inputs Gaussian, their variances divided by the mean; a lora layer W + B A of "
    "rank 4, scale 1, the rest fixed, learns the teacher's outputs on 1000 samples by 60 "
    "iterations of L-BFGS (history 20, strong Wolfe search) on the mean squared error; frozen A "
    "with orthonormal rows and B = 0, frozen B with entries uniform in +-1/2 and A = 0; the share "
    "1 - loss after / loss before on 1000 other samples that training B removes, less that of "
    "training A on the same data"
)

CLAIMS = (
    Claim(
        "A5",
        "In small networks with one changed layer training B of rank 4 beside a random frozen A "
        "removes at least as much of the test loss as training A beside a random frozen B.",
        PAPER,
        tuple(
            Check(
                f"{case}, {network}",
                MORE,
                f"{words}; {formula}",
                claimed=">= 0",
                predicted=predicted,
            )
            for case, (words, predicted) in CARRIED.items()
            for network, formula in NETWORKS.items()
        ),
        f"{TEACHER}; V with orthonormal rows and columns",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        covers=False,
        where="abstract; section 4 for least squares",
        separates="the change does not avoid the inputs of large variance",
        equation="theory.asymmetry.freezing (2)",
        test=f"{TRIAL_TESTS}::"
        "test_a_teacher_agrees_with_the_linear_theory_where_it_is_nearly_linear",
        trial=f"{TRIALS}.teacher.known",
    ),
    Claim(
        "A5b",
        "In small networks without gates and with inputs of equal variance training A of rank 4 "
        "removes more of the test loss than training B where the loss curves unevenly in the "
        "layer's output, and as much to within 2 % where it curves evenly: the inputs alone do not "
        "say which factor to freeze.",
        "derived",
        (
            *(
                Check(f"uneven, {network}", LESS, f"V Gaussian; {formula}", predicted=LESS)
                for network, formula in NETWORKS.items()
                if network in UNGATED
            ),
            *(
                Check(
                    f"even, {network}",
                    Within(-0.02, 0.02),  # a tenth of the least effect of decaying inputs
                    f"V with orthonormal rows and columns; {NETWORKS[network]}",
                    predicted=at(0),
                )
                for network in ("tanh", "relu")
            ),
        ),
        f"{TEACHER}; D Gaussian",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        equation="theory.asymmetry.freezing (2)",
        test=f"{LAWS}::test_curvature_does_to_a_what_the_inputs_do_to_b",
        trial=f"{TRIALS}.teacher.known",
    ),
    Claim(
        "A6",
        "In least squares training B beside a frozen orthonormal A = Q is at least as well "
        "conditioned as training A: descent sees Q S Q^T, whose eigenvalues lie within those of S.",
        "derived",
        (
            Check(
                "condition",
                Within(high=1),
                "cond(Q S Q^T) over cond(S), the worst of 40 draws of Q",
                predicted=Within(high=1),
            ),
        ),
        "64 inputs of variances 1/i and 1/i^2, rank 4, Q uniform",
        kind=Kind.LAW,
        scope=Scope.SIMULATION,
        equation="theory.asymmetry.descent (4)",
        test=f"{LAWS}::test_descent_follows_its_closed_form",
        trial=f"{TRIALS}.linear.conditioning",
    ),
    Claim(
        "A6b",
        "In least squares with inputs of unequal variance one step of descent brings B beside a "
        "random frozen A nearer to its own optimum than it brings A beside a random frozen B.",
        "derived",
        tuple(
            Check(
                f"variances i^-{exponent}",
                MORE,
                f"share of the explained part of its own optimum that B reaches, less that of A; "
                f"inputs of variance i^-{exponent}",
                predicted=MORE,
            )
            for exponent in (1, 2)
        ),
        "64 inputs and outputs, rank 4, D Gaussian, frozen factors uniform and orthonormal; from "
        "zero, each with the step 1/L, L the largest eigenvalue of its own Hessian; a seed is the "
        "mean over 40 draws of D and the factors",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        equation="theory.asymmetry.descent (5)",
        test=f"{LAWS}::test_descent_follows_its_closed_form",
        trial=f"{TRIALS}.linear.conditioning",
    ),
    Claim(
        "A7",
        "In least squares with Gaussian inputs the expected generalisation gap of one trained "
        "factor is R_B (r/n + r/(n - r - 1)) for B and r sigma^2 (in/n + in/(n - in - 1)) for A.",
        "derived",
        tuple(
            Check(
                name,
                Within(0.96, 1.04),  # half of the way to the least of the ratios with n - k
                f"measured over exact gap, {words}, n = {samples} samples; with n - k for "
                f"n - k - 1 it would be {ratio}",
                predicted=at(1),
            )
            for name, (samples, words, ratio) in NEAR.items()
        ),
        "32 x 32, inputs of variance 1/i, D with entries of variance 1/32, noise of variance "
        "sigma^2 = 1/4 in each output, frozen factors uniform and orthonormal; R_B the least test "
        "error with B trained; gap: expected test less training error, summed over outputs, mean "
        "over the data sets of a problem",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        equation="theory.asymmetry.gaps (2)",
        test=f"{LAWS}::test_gaps",
        trial=f"{TRIALS}.gaps.near",
    ),
    Claim(
        "A7b",
        "Where the bounds of arXiv:2402.16842 are equal the generalisation gaps and errors differ, "
        "in least squares of 32 Gaussian inputs and outputs: both factors at rank 4 have a larger "
        "gap than B at rank 8, A has a larger test error than B from 64 samples, and B at rank 8 "
        "has a larger one than both from 512.",
        "derived",
        (
            Check(
                "gap of both",
                ONE,
                "gap of both factors at rank 4 over that of B at rank 8, n = 64 samples",
            ),
            Check(
                "error of A",
                MORE,
                "test error of A at rank 4 less that of B at rank 4, n = 64 samples",
                predicted=MORE,
            ),
            Check(
                "error of B at twice the rank",
                MORE,
                "test error of B at rank 8 less that of both factors at rank 4, n = 512 samples",
            ),
        ),
        "the problems of A7; both trained is ordinary least squares cut to the best rank 4 of what "
        "it fits",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        equation="theory.asymmetry.gaps (5)",
        test=f"{LAWS}::test_gaps",
        trial=f"{TRIALS}.gaps.compared",
    ),
)
