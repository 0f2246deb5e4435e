"""OP1 to OP8: what holds on every draw."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.matfac.trials.plan import SCALES

PAPER, ARORA = "2412.10362", "1802.06509"
THEORY = "theory.matfac"
EQUATION = f"{THEORY}.generator_network"
TEST = "tests/theory/matfac/test_generator_network.py"
TRIAL = "proxies.families.matfac.trials.laws"
DRAWN = (
    "the loss is |B A - M|_F^2 / 2; in turn M is 24 x 16 Gaussian over its spectral norm (rank 3), "
    "12 x 30 with singular values 1 and 1/100 (rank 2), 10 x 10 with four singular values of 1 "
    "(rank 4), 40 x 8 Gaussian over its spectral norm (rank 1); theta, the entries of A and then "
    "B, is W2 f(W1 z + b1) + b2 with m = 32 hidden units and an embedding z of k = 32 numbers"
)
DEFAULT = (
    "z is drawn standard normal, W1, b1, W2 and b2 uniform within 1/sqrt(fan-in), and the rows of "
    "W2 and b2 that make B are zero"
)
BIAS = "z standard normal, W1 and b1 uniform within 1/sqrt(k), W2 = 0, b2 = LoRA's A (uniform "
BIAS += "within 1/sqrt(d_in)) and B = 0"
ROUNDED = "errors are divided by eps = 2.2e-16 and by the size of the terms added up"
# Each bar in units of rounding is at most ten times the worst of 120 or more exploratory draws:
# 1.4 and 3.8 for OP1, 1.8 for OP2, 6.5 for OP3, 9.0 for OP4, 2.4 for OP5, .19 for OP6.

LAWS = (
    Claim(
        "OP1",
        "On matrix factorisation, each step of gradient descent on OP-LoRA's generator network "
        "moves the factors by gradient descent at the learning rate eta (1 + h.h+) plus a weighted "
        "sum of past gradients, h and h+ being the hidden states before and after.",
        "derived",
        tuple(
            Check(
                f"{steps}, {network}",
                Within(high=bar),
                f"largest error of the closed form of {what} in any of 200 steps at the learning "
                f"rate 0.02, f {network}, in units of rounding",
            )
            for network in ("ReLU", "linear")
            for steps, what, bar in (
                ("one step", "a step, from the state before it", 13),
                ("all steps", "theta, from the first state and all gradients", 35),
            )
        ),
        f"{DRAWN}; {DEFAULT}; plain gradient descent on z, W1, b1, W2, b2 in float64, hidden units "
        f"switching on and off as they like; {ROUNDED}",
        equation=f"{EQUATION} (2)",
        test=f"{TEST}::test_steps_and_their_telescope",
        trial=f"{TRIAL}.identities",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
        universal=True,
    ),
    Claim(
        "OP2",
        "On matrix factorisation, a step of gradient descent on OP-LoRA's generator network moves "
        "the factors by an exact cubic in the learning rate eta, whose first term is -eta P g with "
        "a preconditioner P, while no hidden unit switches on or off.",
        "derived",
        (
            Check(
                "remainder",
                Within(high=17),
                "largest entry of the step minus all three terms of the cubic, in units of "
                "rounding; after 20 steps at the learning rate 0.05, for the largest learning rate "
                "0.1 / 2^n at which no unit switches",
            ),
        ),
        f"{DRAWN}; {DEFAULT}; f is a ReLU; plain gradient descent in float64; {ROUNDED}",
        equation=f"{EQUATION} (3)",
        test=f"{TEST}::test_one_step_is_a_cubic",
        trial=f"{TRIAL}.expansion",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
        universal=True,
    ),
    Claim(
        "OP3",
        "On matrix factorisation, the preconditioner P of OP-LoRA's generator network under "
        "gradient descent is at least (1 + |h|^2) I, and no more of its eigenvalues are larger "
        "than hidden units are on.",
        "derived",
        (
            Check(
                "least eigenvalue",
                Within(low=-60),
                "least eigenvalue of P over 1 + |h|^2, minus 1, in units of rounding of the "
                "largest one",
            ),
            Check(
                "larger eigenvalues",
                Within(high=0),
                "number of eigenvalues of P above 1 + |h|^2 (by more than 100 units of rounding), "
                "less the number of hidden units that are on",
                predicted=Within(high=0),
            ),
        ),
        f"{DRAWN}; {DEFAULT}; f is a ReLU; after 20 steps of plain gradient descent at the "
        "learning rate 0.05 in float64",
        equation=f"{EQUATION} (4)",
        test=f"{TEST}::test_preconditioner_is_at_least_isotropic",
        trial=f"{TRIAL}.expansion",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        universal=True,
    ),
    Claim(
        "OP4",
        "On matrix factorisation, gradient flow of OP-LoRA's generator network conserves one "
        "number for each hidden unit and one for the first layer: gradient descent lets them drift "
        "in proportion to the learning rate.",
        "derived",
        (
            Check(
                "drift",
                Within(1.9, 2.1),
                "norm of the drift of all conserved numbers after 200 steps at the learning rate "
                "2.5e-3 over that after 400 steps at half of it",
                predicted=at(2),
            ),
            Check(
                "one step",
                Within(high=90),
                "largest error of the closed form of the drift in any one of these steps, in units "
                "of rounding",
            ),
        ),
        f"{DRAWN}; {DEFAULT}; f is a ReLU; plain gradient descent in float64; {ROUNDED}",
        equation=f"{EQUATION} (8)",
        test=f"{TEST}::test_invariants_drift_by_their_closed_form",
        trial=f"{TRIAL}.conservation",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        universal=True,
    ),
    Claim(
        "OP5",
        "A linear generator network without biases whose hidden state is trained itself moves, at "
        "a balanced point and by gradient flow, as a deep linear network of two layers with one "
        "output does.",
        ARORA,
        (
            Check(
                "flow",
                Within(high=20),
                "relative error of the end-to-end velocity |w| (g + w (w.g) / |w|^2) of the source "
                "at w = theta = W2 h, in units of eps = 2.2e-16",
                claimed="0",
            ),
        ),
        "W2^T W2 = h h^T at random theta and g (60 entries and 5 hidden units, or 12 and 20), "
        "standard normal; a ReLU, the biases and the usual initialization all break it",
        equation=f"{EQUATION} (9)",
        test=f"{TEST}::test_balanced_linear_generator_is_the_two_layer_flow",
        trial=f"{TRIAL}.balanced",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
        where="the end-to-end update of a deep linear network with one output",
    ),
    Claim(
        "OP6",
        "On matrix factorisation and from W2 = 0, the first step of Adam on OP-LoRA's generator "
        "network is 1 + |h|_1 times the step that Adam takes on plain LoRA at the same nominal "
        "learning rate, up to Adam's epsilon.",
        "derived",
        (
            Check(
                "with epsilon",
                Within(high=1.8),
                "largest error of the closed form with Adam's epsilon, over the largest entry of "
                "theta and eps = 2.2e-16",
            ),
            Check(
                "without epsilon",
                Within(high=1),
                "largest relative error of -eta (1 + |h|_1) sign(g) over its bound "
                "epsilon (1 + m) / (|g| (1 + |h|_1)), on the entries of B",
                predicted=Within(0, 1),
            ),
        ),
        f"{DRAWN}; {BIAS}; f is a ReLU; learning rate 1e-3, Adam's betas 0.9 and 0.999, epsilon "
        "1e-8; the gradient of A is 0 while B = 0",
        equation=f"{EQUATION} (5)",
        test=f"{TEST}::test_first_step_of_adam",
        trial=f"{TRIAL}.adam",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        universal=True,
    ),
    Claim(
        "OP7",
        "On matrix factorisation, the effective learning rate of OP-LoRA grows in the second step "
        "when the two first gradients agree and shrinks when they oppose each other.",
        PAPER,
        (
            *(
                Check(
                    f"{way}{', Adam' if adam else ''}",
                    Within(low=0) if way == "agreeing" else Within(high=0),
                    f"change of {size} in the second step over the size of the predicted change: "
                    f"{rule}, M multiplied by {factor:g}, so that the second gradient "
                    f"{'agrees with' if way == 'agreeing' else 'opposes'} the first",
                    claimed="> 0" if way == "agreeing" else "< 0",
                    predicted=Within(0.9, 1.1) if way == "agreeing" else Within(-1.1, -0.9),
                )
                for adam, size, ways in (
                    (
                        False,
                        "|h|^2",
                        (
                            ("agreeing", "gradient descent at 0.3 / L", 0.01),
                            ("opposing", "gradient descent at 1.6 / L", 0.01),
                        ),
                    ),
                    (
                        True,
                        "|h|_1",
                        (
                            ("agreeing", "Adam at 1e-3", 1),
                            ("opposing", "Adam at 1e-3", 0.01),
                        ),
                    ),
                )
                for way, rule, factor in ways
            ),
            Check(
                "opposing, large gradients",
                Within(low=0.5),
                "share of draws in which |h|^2 shrinks in the second step: gradient descent at "
                "1.6 / L, M multiplied by 30, so that the second gradient opposes the first",
                claimed="1",
            ),
        ),
        f"{DRAWN}; {BIAS}; f is a ReLU; L = (1 + |h|^2) |A|_F^2 / r is the mean curvature at the "
        "first step; the effective learning rate is eta (1 + |h|^2) under gradient descent and "
        "eta (1 + |h|_1) under Adam (betas 0.9 and 0.999, epsilon 1e-8); float64",
        equation=f"{THEORY}.adaptation (4)",
        test="tests/theory/matfac/test_adaptation.py::test_adam_adapts_by_the_sign_of_agreement",
        trial=f"{TRIAL}.hypergradient",
        kind=Kind.LAW,
        scope=Scope.SIMULATION,
        where="abstract (an implicitly adaptive learning rate)",
        separates="gradient descent needs eta^2 |g|^2 |K| << 1; Adam needs no such condition",
    ),
    Claim(
        "OP8",
        "The default initialization of OP-LoRA's generator network makes the variance of A "
        "d_in ((1 + 1/k)/6 + 1/m) times that of plain LoRA's A, in the mean over initializations: "
        "at d_in = 1024, m = k = 32 a standard deviation 14 times as large.",
        "derived",
        tuple(
            Check(
                f"m = {m}, k = {k}",
                Within(0.9, 1.1),
                f"variance of the entries of A over the predicted one, mean over initializations, "
                f"m = {m}, k = {k}, d_in = 1024, rank 1{rivals}",
                predicted=at(1),
            )
            for (m, k), rivals in zip(
                SCALES,
                (
                    "",
                    "; without the term 1/k it would be 1.42",
                    "; without the term 1/m it would be 1.73",
                ),
                strict=True,
            )
        ),
        "z standard normal, W1, b1, W2, b2 uniform within 1/sqrt(fan-in), ReLU; plain LoRA's A is "
        "uniform within 1/sqrt(d_in); a comparison at this initialization needs the control of a "
        "plain A as large",
        equation=f"{EQUATION} (10)",
        test=f"{TEST}::test_counts_and_scales",
        trial=f"{TRIAL}.scale",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
)
