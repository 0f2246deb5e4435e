"""The claims N1..N14 as data: sentences as the paper or this project makes them, criteria as theory
gives them."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.nystrom.trials.initialization import ACCURACY
from theory.nystrom import asymmetric, symmetric

ALIGNMENTS = (0.0, 0.5, 0.9, 1.0)
REFUTED = Verdict.REFUTED
ROUNDING = Within(high=30)  # worst deviation of any law over 3600 fresh problems: 5.5 units
UNIT = "in units of eps cond(X_0)"
SIX = asymmetric.scalar_steps(0.5, ACCURACY)
EXTRA = symmetric.extra_steps(ACCURACY)
QUADRATIC = Within(1.999, 2.001)

CLAIMS = (
    Claim(
        "N1",
        "From the Nyström start, asymmetric ScaledGD stays on X_t Y_t^T = d_t A with d_t a "
        "universal scalar recursion.",
        "derived",
        (
            Check(
                "",
                ROUNDING,
                f"largest deviation over 12 steps and eta in 0.1, 0.5, 0.9, 1, {UNIT}",
                predicted="0",
            ),
        ),
        "rank at least that of A, simultaneous updates, the first step moving Y alone, cut "
        "pseudo-inverse",
    ),
    Claim(
        "N2",
        "From the Nyström start asymmetric ScaledGD with eta = 1/2 takes the same number of steps "
        "for every target.",
        "derived",
        (
            Check(
                "",
                Within(SIX, SIX),
                "steps to 1e-12, condition number of X_0 up to 1e5",
                predicted=f"{SIX}",
            ),
        ),
        "Rounding leaks up to eps cond(X_0) out of range(A), and what leaked only halves at each "
        "step (N7): beyond "
        "cond(X_0) = 1e5 some runs take 7 to 10 steps to 1e-12.",
    ),
    Claim(
        "N3",
        "With eta = 1 the Nyström start solves the asymmetric problem in one step and the "
        "symmetric one never.",
        "derived",
        (
            Check(
                "", ROUNDING, f"asymmetric: relative error after one step, {UNIT}", predicted="0"
            ),
            Check(
                "",
                Within(high=1000),
                "symmetric: relative change of 1 + error over two steps, units of eps c",
                predicted="a 2-cycle",
            ),
            Check(
                "",
                Within(low=0.01),
                "symmetric: lowest relative error in 12 steps",
                predicted="> 0",
            ),
        ),
        "c is the distance of the start, max(y, 1/y) over the eigenvalues y of W_0 W_0^T; eta = 1 "
        "damps no rounding, "
        "so 12 steps add it up (worst of 4900 problems: 135 units), and only starts with c <= 1e6 "
        "are compared",
    ),
    Claim(
        "N4",
        "Symmetric ScaledGD from the Nyström start moves only the singular values of W = L^(-1/2) "
        "Q^T X, and ends at "
        "Q L^(1/2) polar(W_0).",
        "derived",
        (
            Check("", ROUNDING, f"W+ = (W + W^+T)/2: deviation {UNIT}", predicted="0"),
            Check("", ROUNDING, f"sigma+ = (sigma + 1/sigma)/2: deviation {UNIT}", predicted="0"),
            Check("", ROUNDING, f"E+ = E P^-1 E / 4: deviation {UNIT}", predicted="0"),
            Check("", ROUNDING, f"limit: deviation {UNIT}", predicted="0"),
        ),
        "eta = 1/2, exact rank",
    ),
    Claim(
        "N5",
        "ScaledGD from the Nyström start converges quadratically.",
        "2410.18965",
        (
            Check(
                "",
                QUADRATIC,
                "order of convergence at eta = 1/2, in multi-precision",
                predicted="2",
            ),
            Check(
                "",
                QUADRATIC,
                "order of convergence at eta = 0.4, in multi-precision",
                predicted="1",
                expected=REFUTED,
            ),
        ),
        "symmetric, exact rank; true at eta = 1/2 alone, with simultaneous updates and no part "
        "outside range(A)",
    ),
    Claim(
        "N5b",
        "At any constant step size in (0, 1) the error of the Nyström start shrinks in the end by "
        "|1 - 2 eta| a step.",
        "derived",
        (
            Check(
                "",
                Within(high=1e-4),
                "deviation of the last factor before 1e-9, seven eta other than 1/2",
                predicted="0",
            ),
        ),
    ),
    Claim(
        "N6",
        "From the Nyström start with eta = 1/2 the condition number and the sketch's scale cost "
        "only their log_4 in "
        "steps.",
        "derived",
        (
            Check(
                "",
                Within(2.5, EXTRA + 1),
                "steps to 1e-12 beyond log_4 of the start's distance, condition 10 to 1e6 and xi "
                "1e-6 to 1e6",
                predicted=f"<= {EXTRA + 1:.2f}",
            ),
            Check(
                "",
                Within(0.65, 1),
                "mean slope of steps against log_4 of the condition number",
                predicted="<= 1",
            ),
            Check("", Within(high=20), "mean steps at condition number 1e6", predicted="< 20"),
            Check(
                "",
                Within(low=100),
                "steps of gradient descent over those of ScaledGD, condition number 100",
                predicted="about cond log(1e12) / (2 eta steps)",
            ),
        ),
        "symmetric, exact rank; a draw takes j steps more than the mean with a chance near 2^-j, "
        "since the smallest "
        "singular value of a Gaussian sketch has a heavy tail (27 steps in the worst of 3000 "
        "draws at 1e6); gradient "
        "descent has the better of eta = 0.5 and 0.9 (1 is its limit of stability)",
    ),
    Claim(
        "N7",
        "A start with a part outside range(A) converges no faster than linearly, by 1 - eta a "
        "step.",
        "derived",
        (
            Check(
                "",
                ROUNDING,
                "norm outside range(A) against (1 - eta)^t: deviation in units of eps cond(X_0)",
                predicted="0",
            ),
            Check("", Within(0.498, 0.502), "last factor of the error, eta = 1/2", predicted="0.5"),
            Check(
                "",
                Within(0, 1),
                "steps to 1e-12 beyond the least that the lower bound allows",
                predicted="0 or 1",
            ),
        ),
        "Nyström start plus Gaussian noise of size 1e-1 to 1e-9 (to 1e-6 where it has to be seen "
        "above 1e-12); that "
        "such noise ends quadratic convergence is observed in arXiv:2410.18965",
    ),
    Claim(
        "N8",
        "With both factors random, simultaneous ScaledGD (eta = 1/2) converges if and only if A^+ "
        "X_0 Y_0^T has no "
        "negative eigenvalue, so at most half of the time; alternating updates always converge.",
        "derived",
        (
            Check(
                "",
                Within(1, 1),
                "share of starts whose fate is foretold, rank 1, 2 and 4",
                predicted="1",
            ),
            Check("", Within(0.4, 0.6), "share that converges, rank 1", predicted="1/2"),
            Check("", Within(high=0.5), "share that converges, rank 2", predicted="< 1/2"),
            Check("", Within(high=0.5), "share that converges, rank 4", predicted="< 1/2"),
            Check("", Within(1, 1), "share that converges with alternating updates", predicted="1"),
            Check(
                "",
                Within(0.245, 0.255),
                "factor of the error in a sweep of alternating updates",
                predicted="1/4",
            ),
        ),
        "exact rank, undamped, starts inside the ranges of A and A^T, target 20 x 18 of condition "
        "number 10",
    ),
    Claim(
        "N9",
        "With fewer columns than the target's rank ScaledGD from the Nyström start is linear at "
        "the gap's rate "
        "max((1 - eta) + eta rho, |1 - 2 eta|), though weakly optimal after one step.",
        "derived",
        (
            Check(
                "",
                Within(0.99, 1.01),
                "measured over predicted factor, rho = 0.5, 0.9, 0.99, eta = 0.5, 0.9",
                predicted="1",
            ),
            Check("", ROUNDING, f"first step at eta = 1 against Q Q^T A, {UNIT}", predicted="0"),
            Check("", ROUNDING, f"Y_1^T A^+ X_0 - 1, {UNIT} cond(A)", predicted="0"),
            Check(
                "",
                Within(low=1.01),
                "error after that step over the best of this rank",
                predicted="> 1",
            ),
        ),
        "weak optimality is the notion of arXiv:2410.18965",
    ),
    Claim(
        "N10",
        "Alternating least squares solves the exact-rank problem in one sweep from a random "
        "start, so the Nyström "
        "start saves no steps against it.",
        "derived",
        (
            Check("", ROUNDING, "error after one sweep in units of eps cond(X_1)", predicted="0"),
            Check(
                "",
                Within(high=0),
                f"steps to 1e-12 saved by the Nyström start (eta = 1/2, {SIX} steps)",
                predicted="<= 0",
            ),
        ),
        "condition number 10 to 1e6; a sweep costs as much as a step",
    ),
    Claim(
        "N11",
        "A Nyström sketch of the pretrained weight speeds up low-rank adaptation to another "
        "target.",
        "2410.18965",
        tuple(
            Check(
                "",
                Within(low=1.1),
                f"steps of a random start over its steps, overlap {alignment:g}",
                predicted="1",
                expected=REFUTED,
            )
            for alignment in ALIGNMENTS
        ),
        "ScaledGD with eta = 1/2 to 1e-10 on a rank-4 change of a 128 x 128 weight, zero product "
        "at the start; overlap "
        "is the weight of the change's column space in the dominant one of the pretrained weight",
    ),
    Claim(
        "N11b",
        "A Nyström sketch of the loss gradient at the pretrained weight does speed it up.",
        "derived",
        tuple(
            Check(
                "",
                Within(low=4),
                f"steps of a random start over its steps, overlap {alignment:g}",
                predicted="> 5",
            )
            for alignment in ALIGNMENTS
        ),
        "as N11, where the gradient at zero is the target itself with its sign changed",
    ),
    Claim(
        "N11c",
        "A sketch of the pretrained weight does lower the error after one step, by its overlap "
        "with the target.",
        "derived",
        (
            Check(
                "",
                Within(high=100),
                "first error against sqrt(1 - eta (2 - eta) |P D|^2/|D|^2), in units of eps",
                predicted="0",
            ),
            Check(
                "",
                Within(0.97, 1.03),
                "first error over that of a random start, overlap 0",
                predicted="1",
            ),
            Check(
                "",
                Within(high=0.9),
                "first error over that of a random start, overlap 1",
                predicted="< 1",
            ),
        ),
        "as N11",
    ),
    Claim(
        "N12",
        "The scale xi of the Nyström sketch is not critical.",
        "2410.18965",
        (
            Check(
                "",
                Within(-1e-3, 1e-3),
                "exponent in xi of the first change, scaled gradient step",
                predicted="0",
            ),
            Check(
                "",
                Within(-1e-3, 1e-3),
                "exponent in xi of the first change, plain gradient step",
                predicted="2",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(-1e-3, 1e-3),
                "exponent in xi of the first change, NoRA+ in Adam as released",
                predicted="1",
                expected=REFUTED,
            ),
        ),
        "NoRA start A = (xi/s) N W, B = 0, xi from 1e-3 to 1e3",
    ),
    Claim(
        "N13",
        "A start needs no full decomposition: a randomised one is as good on a spiked weight, and "
        "a sketch costs less.",
        "derived",
        (
            Check(
                "",
                Within(high=0.01),
                "largest relative error of the top 16 singular values",
                predicted="< 1e-2",
            ),
            Check(
                "",
                Within(low=0.99),
                "mean squared cosine to the top 16 left singular vectors",
                predicted="> 0.99",
            ),
            Check(
                "",
                Within(low=5),
                "time of the full decomposition over the randomised one's",
                predicted="> 5",
            ),
            Check(
                "",
                Within(low=30),
                "time of the full decomposition over the sketch's",
                predicted="> 30",
            ),
        ),
        "1024 x 1024 float32, oversampling 48, four power iterations; a flat spectrum defeats any "
        "randomised method",
    ),
    Claim(
        "N14",
        "Three released implementations carry out the start that they are named for.",
        "derived",
        (
            Check(
                "",
                Within(-0.1, 0.1),
                "PEFT lora_ga: exponent of |B| in the loss's scale (published: 0)",
                predicted="1",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(high=0.99),
                "PEFT olora, s = 2: |W - s B A|/|W| (a reflection at 1)",
                predicted="1",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(low=0.1),
                "NoRA's code: relative change of the layer by the sketch",
                predicted="0",
                expected=REFUTED,
            ),
        ),
        "PEFT 0.21; NoRA's code assigns the sketch to an attribute of the module, which its "
        "forward pass never reads",
    ),
)
