"""How the networks are made and trained, in words from which each experiment can be repeated; and
the names and sizes that the claims share."""

from theory.lr_stability import Readout, Scale
from theory.lr_stability.finite import slack

STABILITY, PLUS, RANK = "2406.08447", "2402.12354", "2312.03732"
SEE, TESTS = "theory.lr_stability.stability", "tests/theory/lr_stability"
TRIALS = "proxies.families.lr_stability.trials"

NAMES = {"init_a": "Init[A]", "init_b": "Init[B]"}
LABELS = {**NAMES, "eva": "EVA", "eva_whitened": "whitened EVA"}
POWERS = (-1.5, -1.0, -0.5, 0.0)
PAIRS = [(c_A, c_B) for c_A in POWERS for c_B in POWERS]
# powers of the learning rates of A and B
LIMIT_A, LIMIT_B, LORA_PLUS = (-0.5, -0.5), (-1.0, -1.0), (-1.0, 0.0)
RATES = {LIMIT_A: "learning rates n^-1/2", LIMIT_B: "learning rates n^-1", LORA_PLUS: "LoRA+"}
POWER_WIDTHS = (256, 1024, 4096, 16384)
STABLE_WIDTHS = tuple(2**k for k in range(9, 15))
# widths at which a learning rate is tuned and to which it is taken
SMALL, BIG = (256, 512, 1024), 8192
# powers of r
SCALES: dict[Scale, float] = {"constant": 0.0, "alpha/sqrt(r)": -0.5, "alpha/r": -1.0}
READ_BY: dict[Readout, str] = {
    "mup": "read-out of order 1/n",
    "standard": "read-out of order n^(-1/2)",
}
NETWORKS = {"mup": "plain network", "residual": "residual network"}

RATIO = 4  # of the constants that the calculus drops: the terms of a sum over a rank of 4
# around an exponent, of slopes over the widths of a claim: theory.lr_stability.finite (3)
AT_LIMIT_WIDTHS, AT_STABLE_WIDTHS = slack(POWER_WIDTHS, RATIO), slack(STABLE_WIDTHS, RATIO)
# half the distance between exponents of the calculus, where the slope of a best learning rate or in
# the rank is asked which of them it is
HALF_STEP = 0.125

SLACK = (
    "the tolerance around an exponent is the most that a power n^(1/2) lower with a constant 4 "
    "times the leading one's can change a slope over these widths"
)
NEAREST = "the tolerance is half the distance 1/4 between exponents of the calculus"
PLAIN = (
    "f(x) = w . relu(W h + s B A h - s B_0 A_0 h), h = relu(W_in x), x 8 standard normal inputs, "
    "entries of W_in (n, 8) N(0, 2/8), of W (n, n) N(0, 1/n), of w N(0, 1) times {readout}; A and "
    "B alone are trained, rank 4, s = 1. The target is the change of f, a ReLU teacher with 64 "
    "hidden units, standard normal weights, standardized over the samples"
)
MUP, STANDARD = PLAIN.format(readout="1/n"), PLAIN.format(readout="n^(-1/2)")
EITHER = PLAIN.format(readout="1/n or n^(-1/2)")
RESIDUAL = (
    "f(x) = w . relu(u + W relu(u) + B A relu(u)), u = W_in x, x 5 inputs N(0, 1/5), entries of "
    "W_in (n, 5) N(0, 1), of W and w N(0, 1/n); h = relu(u). The target is a teacher of that form "
    "with weights of its own, 1000 wide, whose W is P Q, P (1000, 20) with entries N(0, 1/20) and "
    "Q (20, 1000) with entries N(0, 1/1000)"
)
BOTH = f"plain network: {MUP}. Residual network: {RESIDUAL}"
STARTS = (
    "Init[A]: entries of A uniform in +- n^(-1/2), B = 0; Init[B]: entries of B uniform in +- "
    "r^(-1/2), A = 0"
)
ADAM = "Adam, betas .9 and .99, eps 1e-30, no weight decay, on one batch of all samples"
LINEAR = (
    "the loss is linear, the mean of -2 y f over 32 samples, y the wanted change of f, so that its "
    "gradient stays"
)
DRAWN = (
    "a seed draws samples and target, the same at all widths, and the network and factors at each "
    "width"
)
AT_LIMIT = (
    f"{MUP}. {STARTS}. {ADAM}, 6 steps; {LINEAR}. Learning rates 0.3 n^c, c = -1/2 or -1 for both "
    "factors, or -1 for A and 0 for B (LoRA+). Slopes of log2 in log2 n over n = 2^8, 2^10, 2^12, "
    "2^14 of the root mean square over entries and samples, one slope a seed; the deltas are of "
    f"the last step; {DRAWN}; {SLACK}"
)
STABLE = (
    f"{STARTS}; EVA: rows of A the leading eigenvectors of the covariance of h, B = 0; whitened: "
    "each over the root of its eigenvalue. Stable: root mean square of Z_B over entries and "
    f"samples at most 1 after 10 steps. {ADAM}; {LINEAR}. One learning rate for both factors; the "
    "largest is enclosed to 0.44 octaves, between which log Z_B is taken as straight in log "
    f"learning rate. Slopes in log2 n over n = 2^9 to 2^14, one a seed; {DRAWN}; {SLACK}"
)
READ_OFF = (
    "learning rates half an octave apart, the same for both factors; each seed's grid is shifted "
    "by a random part of half an octave at each width. The log of the loss after the last step, "
    "at most 3, is averaged over the nine learning rates within two octaves with weights 1, 2, 3, "
    "4, 5, 4, 3, 2, 1; the best learning rate is the vertex of the parabola through the least "
    "average and its neighbours"
)
TUNED = (
    f"{STARTS}. {ADAM}, mean squared error, constant learning rate; {READ_OFF}. {DRAWN}; slopes of "
    "log2 in log2 n, one a seed"
)
ON_PLAIN = "n = 2^8 to 2^13, 32 samples, 40 steps, learning rates 2^-11.5 to 2^-1"
ON_STANDARD = "n = 2^8 to 2^13, 32 samples, 40 steps, learning rates 2^-15 to 2^-3"
ON_RESIDUAL = "n = 2^7 to 2^12, 64 samples, 60 steps, learning rates 2^-15.5 to 2^-1.5"
