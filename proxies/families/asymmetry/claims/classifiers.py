"""One trained factor or both in small classifiers that are taken to new inputs and labels."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.asymmetry.claims.explained import MORE, PAPER, TRIALS

LAZY, EAGER = 1e-3, 1e-2  # learning rates of A10
STEPS = 200  # of Adam
# By key of a check: the population, the samples that a network is adapted on, and both in words.
DATA = {
    "digits": ("digits", 1200, "scikit-learn's digits, 1200 samples, 64-128-128-10"),
    "synthetic": ("synthetic", 1000, "synthetic, 10 classes, 1000 samples, 32-96-96-10"),
    "synthetic, 100 samples": (
        "synthetic",
        100,
        "synthetic, 10 classes, pretrained on 1000 samples and adapted on 100, 32-96-96-10",
    ),
    "synthetic, 64 classes": (
        "synthetic, 64 classes",
        1000,
        "synthetic, 64 classes, 1000 samples, 32-96-96-64",
    ),
}
NEW = tuple(key for key in DATA if key != "digits")  # data of which each draw is new
SUBSPACES = {
    "digits": "scikit-learn's digits, 64-128-128-10, six disjoint parts of 299",
    "breast cancer": "scikit-learn's breast cancer data, 30-64-64-2, six disjoint parts of 94",
    "synthetic": "synthetic, 32-96-96-10, 300 samples a network",
}
NETWORK = (
    "a network of three layers with ReLU is pretrained by 300 steps of Adam at 1e-3, batch 128 or "
    "all that there are, from He's normal initialization with biases 0 on its training samples "
    "(cross-entropy; pixels between 0 and 1, features of mean 0 and variance 1), and adapted to "
    "the same samples with the inputs flipped left to right, turned by 90 degrees or transposed as "
    "pictures are (8 x 8 digits, 4 x 8 synthetic, 5 x 6 breast cancer) and the labels permuted at "
    "random for each; W + B A, scale 1, in the first two layers, the rest frozen; Adam with betas "
    ".9 and .999, eps 1e-8, no weight decay, constant learning rate, batches of 64 in shuffled "
    "passes"
)
SYNTHETIC = (
    "synthetic: Gaussian inputs of variance ~ 1/i, mean 1, labelled by the largest output of a new "
    "V tanh(W x) of 64 hidden units with Gaussian W of variance 1/32 and V of variance 1, for each "
    "network new"
)
OVERLAP = (
    f"{NETWORK}, {STEPS} steps, rank 8; a network is adapted to three tasks from two "
    "initializations, both factors trained; overlap: mean squared cosine of the principal angles "
    "between the row spaces of A, or the column spaces of B, of two runs, mean over the pairs of "
    f"runs and the two layers; {SYNTHETIC}"
)
TUNED = (
    f"{NETWORK}, {STEPS} steps; each method at the learning rate among 1e-3, 3.2e-3, .., 1, 3.2 "
    "that has the best mean accuracy, and of equal ones the least cross-entropy, on the validation "
    "samples (200 digits, 300 synthetic) of four networks apart from those compared; test accuracy "
    "on 397 digits or 1000 synthetic samples; a frozen factor is orthonormal and the other one 0; "
    "both trained: A uniform in +-1/sqrt(in), B = 0. Digits: splits of the one data set into 1200, "
    "200 and 397, the variance corrected for that; synthetic samples are new for each network: "
    f"{SYNTHETIC}"
)
ADAPTED = f"{TRIALS}.tuning.adapted"
ENGINE = "tests/proxies/asymmetry/test_networks.py::test_the_engine_is_lora"


def _overlaps(factors: str, rates: tuple[float, ...]) -> tuple[Check, ...]:
    """A check for each population, factor (the first one follows its initialization) and rate."""
    return tuple(
        Check(
            f"{factor}, {rate:g}, {data}",
            MORE,
            f"{factor}: overlap of two runs of one {kept}, two {other}s, less that of two runs of "
            f"two {kept}s, one {other}; learning rate {rate:g}; {words}",
            claimed="> 0" if factors == "AB" else "",
        )
        for rate in rates
        for data, words in SUBSPACES.items()
        for factor, (kept, other) in zip(
            factors, (("initialization", "task"), ("task", "initialization")), strict=True
        )
    )


CLAIMS = (
    Claim(
        "A10",
        "In small classifiers trained A of rank 8 is nearer to an A of the same initialization "
        "than to one of the same task, and trained B is nearer to a B of the same task.",
        PAPER,
        _overlaps("AB", (LAZY, EAGER)),
        f"{OVERLAP}; A uniform in +-1/sqrt(in), B = 0",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        covers=False,
        where="abstract; figure 1",
        separates="a learning rate of 1e-3, at which A stays near its initialization",
        test="tests/proxies/asymmetry/test_trials.py::test_overlap_is_the_mean_squared_cosine",
        trial=f"{TRIALS}.similarity.similarity",
    ),
    Claim(
        "A10b",
        "In small classifiers the factor that begins at zero follows the task, whichever of the "
        "two it is: from A = 0 and a random B trained B of rank 8 is nearer to a B of the same "
        "initialization than to one of the same task, and trained A to an A of the same task.",
        "derived",
        _overlaps("BA", (LAZY,)),
        f"{OVERLAP}; B uniform in +-1/sqrt(8), A = 0",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        equation="theory.asymmetry.descent (1)",
        test="tests/proxies/asymmetry/test_trials.py::test_overlap_is_the_mean_squared_cosine",
        trial=f"{TRIALS}.similarity.similarity",
    ),
    Claim(
        "A11",
        "In small classifiers taken to new inputs and labels training B of rank 8 beside a random "
        "frozen A reaches at least the test accuracy of training A of rank 8 beside a random "
        "frozen B.",
        PAPER,
        tuple(
            Check(
                key,
                MORE,
                f"test accuracy of B less that of A; {words}",
                claimed=">= 0",
            )
            for key, (_, _, words) in DATA.items()
        ),
        TUNED,
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        covers=False,
        where="abstract",
        separates="64 classes and not 10: a rank well below the number of outputs",
        equation="theory.asymmetry.frozen_factor (9)",
        test=ENGINE,
        trial=ADAPTED,
    ),
    Claim(
        "A11b",
        "In small classifiers taken to new inputs and labels a random frozen A of rank 8 does "
        "nearly as well as a trained one: the test accuracy with B trained is at most one point "
        "below that with both trained.",
        PAPER,
        tuple(
            Check(
                key,
                Within(low=-0.01),
                f"test accuracy with B trained less that with both trained; {words}",
                claimed="near 0",
            )
            for key, (_, _, words) in DATA.items()
        ),
        f"one point: the source's own differences between the two on GLUE are below it. {TUNED}",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        covers=False,
        where="abstract",
        equation="theory.asymmetry.guarantees (6)",
        test=ENGINE,
        trial=ADAPTED,
    ),
    Claim(
        "A11c",
        "In small classifiers taken to new inputs and labels training B of rank 8 reaches at least "
        "the test accuracy of training both factors at rank 4.",
        PAPER,
        tuple(
            Check(
                key,
                MORE,
                f"test accuracy with B trained at rank 8 less that with both trained at rank 4; "
                f"{DATA[key][2]}",
                claimed=">= 0",
            )
            for key in NEW
        ),
        "nearly equal budgets: out r against (in + out) r numbers a layer. The 1797 digits are too "
        f"few to decide it. {TUNED}",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        covers=False,
        where="section 5",
        test=ENGINE,
        trial=ADAPTED,
    ),
)
