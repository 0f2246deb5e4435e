"""OP1 to OP9: what holds on every draw."""

from loralab.claims import Check, Claim, Within

PAPER, ARORA = "2412.10362", "1802.06509"
ZERO = Within(0, 0)
EQUATION = "theory.matfac.generator_network"
TEST = "tests/theory/matfac/test_generator_network.py"
TRIAL = "proxies.families.matfac.trials.laws"

LAWS = (
    Claim(
        "OP1",
        "Each step of OP-LoRA's generator network moves the factors by gradient descent at the "
        "learning rate eta (1 + h.h+) plus a weighted sum of past gradients.",
        "derived",
        tuple(
            Check(
                f"{steps}, {network}",
                Within(high=1e-12),
                f"largest absolute error of the closed form of {steps} over 200 steps, {network} "
                "network",
                predicted="0",
            )
            for network in ("ReLU", "linear")
            for steps in ("one step", "all steps")
        ),
        "plain gradient descent; hidden units may switch on and off",
        equation=f"{EQUATION} (2)",
        test=f"{TEST}::test_steps_and_their_telescope",
        trial=f"{TRIAL}.identities",
    ),
    Claim(
        "OP2",
        "A step of gradient descent on the generator network moves the factors by an exact cubic "
        "in the learning rate eta, whose first term is -eta P g with the preconditioner P.",
        "derived",
        (
            Check(
                "remainder",
                Within(high=1e-13),
                "norm of the step minus all three terms of the cubic",
                predicted="0",
            ),
            Check(
                "order after one term",
                Within(1.95, 2.05),
                "order in eta of the step minus -eta P g",
                predicted="2",
            ),
            Check(
                "order after two terms",
                Within(2.95, 3.05),
                "order in eta of the step minus the first two terms of the cubic",
                predicted="3",
            ),
        ),
        "no hidden unit switches on or off within the step",
        equation=f"{EQUATION} (3)",
        test=f"{TEST}::test_one_step_is_a_cubic",
        trial=f"{TRIAL}.expansion",
    ),
    Claim(
        "OP3",
        "The preconditioner P of a generator network with m hidden units is at least "
        "(1 + |h|^2) I, and at most m of its eigenvalues are larger: outside m directions the "
        "conditioning of LoRA is unchanged.",
        "derived",
        (
            Check(
                "least eigenvalue",
                Within(low=-1e-12),
                "least eigenvalue of P over 1 + |h|^2, minus 1",
                predicted="0",
            ),
            Check(
                "larger eigenvalues",
                Within(high=32),
                "number of eigenvalues of P above 1 + |h|^2, of 120, with m = 32",
                predicted="<= 32",
            ),
        ),
        equation=f"{EQUATION} (4)",
        test=f"{TEST}::test_preconditioner_is_at_least_isotropic",
        trial=f"{TRIAL}.expansion",
    ),
    Claim(
        "OP4",
        "Gradient flow of the generator network conserves one number for each hidden unit and one "
        "for the first layer.",
        "derived",
        (
            Check(
                "drift",
                Within(1.8, 2.2),
                "drift of the conserved numbers over their drift at half the learning rate, after "
                "equal time",
                predicted="2",
            ),
            Check(
                "one step",
                Within(high=1e-12),
                "largest absolute error of the closed form of the drift in one step",
                predicted="0",
            ),
        ),
        equation=f"{EQUATION} (8)",
        test=f"{TEST}::test_invariants_drift_by_their_closed_form",
        trial=f"{TRIAL}.conservation",
    ),
    Claim(
        "OP5",
        "A linear generator network without biases at a balanced point is the two-layer case of "
        "deep linear networks.",
        ARORA,
        (
            Check(
                "flow",
                Within(high=1e-4),
                "relative error of the two-layer flow for one step at the learning rate 1e-6",
                claimed="0",
                predicted="0",
            ),
        ),
        "W2^T W2 = h h^T and h trained itself; a ReLU, the biases and the usual initialization all "
        "break it",
        equation=f"{EQUATION} (9)",
        test=f"{TEST}::test_balanced_linear_generator_is_the_two_layer_flow",
        trial=f"{TRIAL}.balanced",
    ),
    Claim(
        "OP6",
        "The first step of Adam on the generator network is 1 + |h|_1 times the step that Adam "
        "takes on plain LoRA at the same nominal learning rate.",
        "derived",
        (
            Check(
                "with epsilon",
                Within(high=1e-12),
                "relative error of the closed form with Adam's epsilon",
                predicted="0",
            ),
            Check(
                "without epsilon",
                Within(high=1e-4),
                "relative error of the closed form without Adam's epsilon",
                predicted="0",
            ),
        ),
        "W2 = 0 at initialization",
        equation=f"{EQUATION} (5)",
        test=f"{TEST}::test_first_step_of_adam",
        trial=f"{TRIAL}.adam",
    ),
    Claim(
        "OP7",
        "The effective learning rate of OP-LoRA grows while successive gradients agree and shrinks "
        "while they oppose each other.",
        PAPER,
        (
            *(
                Check(
                    key,
                    Within(low=1),
                    f"1 if |h|^2 {verb} when two successive gradients {agree}, else 0",
                    claimed="adapts the step size",
                    predicted="1",
                )
                for key, verb, agree in (
                    ("agreeing", "grows", "agree"),
                    ("opposing", "shrinks", "oppose each other"),
                )
            ),
            Check(
                "hidden units",
                Within(high=1e-2),
                "relative error of the closed form of the change of h, gradients that agree",
                predicted="0",
            ),
        ),
        "W2 = 0 at initialization and eta^2 |g|^2 |K| small; with large gradients |h| can blow up "
        "instead",
        equation=f"{EQUATION} (6)",
        test=f"{TEST}::test_step_size_follows_the_agreement_of_gradients",
        trial=f"{TRIAL}.hypergradient",
    ),
    Claim(
        "OP8",
        "The default initialization of the generator network makes the standard deviation of A "
        "sqrt(d_in ((1 + 1/k)/6 + 1/m)) times that of plain LoRA's A, 14 times at d_in = 1024.",
        "derived",
        (
            Check(
                "variance",
                Within(0.81, 1.21),
                "variance of A over the predicted one, mean of 200 initializations",
                predicted="1",
            ),
        ),
        "so a comparison at this initialization needs the control of a plain A as large",
        equation=f"{EQUATION} (10)",
        test=f"{TEST}::test_counts_and_scales",
        trial=f"{TRIAL}.scale",
    ),
    Claim(
        "OP9",
        "An OP-LoRA adapter is exactly zero at initialization, and dropping its generator network "
        "after training changes no output.",
        PAPER,
        (
            *(
                Check(
                    f"zero, {name}",
                    ZERO,
                    f"largest entry of B A at the initialization '{name}'",
                    claimed="0",
                    predicted="0",
                )
                for name in ("bias", "match")
            ),
            Check(
                "merged",
                Within(high=1e-5),
                "largest difference between outputs of the merged weight and of the adapter, over "
                "the largest output, float32",
                claimed="0",
                predicted="0",
            ),
        ),
        test="tests/proxies/matfac/test_engine.py::test_every_method_starts_at_zero_and_from_the_"
        "same_a",
        trial=f"{TRIAL}.safety",
    ),
)
