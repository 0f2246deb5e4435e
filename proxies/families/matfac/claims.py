"""The claims OP1..OP13 as data: sentences as the paper makes them, criteria as theory or the paper
gives them."""

from loralab.claims import Check, Claim, Verdict, Within

PAPER, ARORA = "2412.10362", "1802.06509"
REFUTED = Verdict.REFUTED
LESS, ZERO = Within(high=1), Within(0, 0)
FASTER = Within(high=0.8)  # a fifth fewer steps: less would not pay for the generator's own cost
WIDER = Within(low=0.5)  # decades, a factor of three in the rate
TUNED = (
    "each method at its own best learning rate, chosen on the median over seeds; no "
    "optimum on a grid edge"
)

CLAIMS = (
    Claim(
        "OP1",
        "Each step of the generator is plain descent at the rate eta (1 + h.h+) plus a weighted "
        "sum of past gradients.",
        "derived",
        (
            Check("", Within(high=1e-12), "one step, ReLU", predicted="0"),
            Check("", Within(high=1e-12), "200 steps at once, ReLU", predicted="0"),
            Check("", Within(high=1e-12), "one step, linear", predicted="0"),
            Check("", Within(high=1e-12), "200 steps at once, linear", predicted="0"),
        ),
        "plain gradient descent; units may switch on and off",
    ),
    Claim(
        "OP2",
        "The step is an exact cubic in eta, led by the preconditioner P.",
        "derived",
        (
            Check("", Within(high=1e-13), "what the cubic leaves", predicted="0"),
            Check("", Within(1.95, 2.05), "order of what eta P g leaves", predicted="2"),
            Check("", Within(2.95, 3.05), "order of what two terms leave", predicted="3"),
        ),
        "no unit switches within the step",
    ),
    Claim(
        "OP3",
        "P >= (1 + |h|^2) I, and at most m eigenvalues differ: outside m directions the "
        "conditioning stays.",
        "derived",
        (
            Check(
                "", Within(low=-1e-12), "least eigenvalue over 1 + |h|^2, minus 1", predicted="0"
            ),
            Check("", Within(high=32), "eigenvalues above it, of 120", predicted="<= 32"),
        ),
    ),
    Claim(
        "OP4",
        "Gradient flow conserves one number for each hidden unit and one for the first layer.",
        "derived",
        (
            Check("", Within(1.8, 2.2), "drift over drift at half the rate", predicted="2"),
            Check("", Within(high=1e-12), "drift of a step against its closed form", predicted="0"),
        ),
    ),
    Claim(
        "OP5",
        "A linear generator without biases at a balanced point is the two-layer case of deep "
        "linear networks.",
        ARORA,
        (Check("", Within(high=1e-4), predicted="0"),),
        "W2^T W2 = h h^T and h trained itself; a ReLU, the biases and the usual start all break it",
    ),
    Claim(
        "OP6",
        "The first step of Adam is 1 + |h|_1 times the one that plain LoRA takes at the same rate.",
        "derived",
        (
            Check("", Within(high=1e-12), "with Adam's epsilon in the law", predicted="0"),
            Check("", Within(high=1e-4), "without it", predicted="0"),
        ),
        "W2 = 0 at the start",
    ),
    Claim(
        "OP7",
        "The effective rate grows while successive gradients agree and shrinks when they oppose.",
        PAPER,
        (
            Check("", Within(low=1), "sign, gradients that agree", predicted="1"),
            Check("", Within(low=1), "sign, gradients that oppose", predicted="1"),
            Check("", Within(high=1e-2), "change of h against its closed form", predicted="0"),
        ),
        "W2 = 0 at the start and eta^2 |g|^2 |K| small; with large gradients |h| can blow up "
        "instead",
    ),
    Claim(
        "OP8",
        "The default start makes A sqrt(d_in ((1 + 1/k)/6 + 1/m)) times plain LoRA's, 14 times at "
        "d_in 1024.",
        "derived",
        (
            Check(
                "",
                Within(0.81, 1.21),
                "mean variance over the predicted one, 200 starts",
                predicted="1",
            ),
        ),
        "so a comparison at this start needs the control of a plain A as large",
    ),
    Claim(
        "OP9",
        "The adapter starts at exactly zero, and dropping the generator after training changes "
        "nothing.",
        PAPER,
        (
            Check("", ZERO, "B A at the start, bias", predicted="0"),
            Check("", ZERO, "B A at the start, match", predicted="0"),
            Check("", Within(high=1e-5), "merged against unmerged, float32", predicted="0"),
        ),
    ),
    Claim(
        "OP10",
        "At one learning rate for both, OP-LoRA ends lower than LoRA after the same steps.",
        PAPER,
        (
            Check(
                "",
                Within(high=1e-3),
                "gauss, Adam at 1e-3: final excess over LoRA's",
                predicted="<< 1",
            ),
            Check("", LESS, "gauss, SGD at 1e-2", predicted="< 1"),
            Check("", LESS, "ill, Adam at 1e-4", predicted="< 1"),
            Check("", LESS, "ill, SGD at 1e-2", predicted="< 1"),
        ),
        "rates below LoRA's best one: the generator takes larger steps at the same nominal rate "
        "(OP3, OP6)",
    ),
    Claim(
        "OP11",
        "OP-LoRA is less sensitive to the learning rate: half a decade more of rates reach 1e-4.",
        PAPER,
        (
            Check("", WIDER, "SGD", predicted="> 0"),
            Check("", WIDER, "momentum", predicted="> 0"),
            Check("", WIDER, "Adam", predicted="> 0", expected=REFUTED),
        ),
        "mean of gauss and ill, full batch; stochastic gradients shift the window and need not "
        "widen it",
    ),
    Claim(
        "OP12",
        "With the learning rate tuned, OP-LoRA converges faster and ends lower than other methods.",
        PAPER,
        (
            Check(
                "",
                FASTER,
                "gauss, momentum: steps to 1e-4 over LoRA's",
                predicted="< 1",
                expected=REFUTED,
            ),
            Check(
                "",
                FASTER,
                "gauss, Adam: steps to 1e-4 over LoRA's",
                predicted="< 1",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(low=0.5),
                "ill, momentum: share of problems where it ends lower than LoRA",
                predicted="> 1/2",
                expected=REFUTED,
            ),
            Check(
                "",
                LESS,
                "ill, Adam: final excess over ScaledGD's",
                predicted="< 1",
                expected=REFUTED,
            ),
        ),
        TUNED,
    ),
    Claim(
        "OP13",
        "Death of all ReLUs is a safety valve: too large a rate falls back to plain LoRA.",
        "derived",
        (
            Check(
                "",
                Within(high=1e-12),
                "a dead generator against plain LoRA, 200 steps",
                predicted="0",
            ),
            Check(
                "",
                Within(low=0.9),
                "gauss, SGD at 0.3: share of linear generators that diverge",
                predicted="1",
            ),
            Check("", Within(high=0.2), "of ReLU generators that diverge", predicted="0"),
            Check(
                "", Within(low=0.5), "of ReLU generators with every unit dead", predicted="> 1/2"
            ),
            Check(
                "",
                Within(low=0),
                "gauss, SGD: decades of good rates more than a linear generator",
                predicted="> 0",
            ),
        ),
        "a rate at which plain LoRA itself is stable; the dead run starts from wherever its last "
        "jump left b2",
    ),
)
