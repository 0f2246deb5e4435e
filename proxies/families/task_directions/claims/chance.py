"""What unrelated changes of a weight show by chance: the claims T1..T4."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at

PAPER = "2409.01035"
EDGES = (
    ("Gaussian", 8, 16),
    ("Gaussian", 4, 8),
    ("exponential", 8, 16),
    ("exponential", 32, 64),
)
PUBLISHED = Within(0.75, 0.82)  # accuracy averaged over layers, read off the paper's plot
FINITE = "theory.task_directions.finite"
EXACT = "tests/theory/task_directions/test_finite.py"
TRIALS = "proxies.families.task_directions.trials"
DRAWN = f"{TRIALS}.nulls.drawn"
RATES = (
    "a change D of a weight W = sum_i sigma_i u_i v_i^T has the coordinates a_i = u_i^T D v_i and "
    "the change rates |a_i| / sigma_i; two changes are unrelated where their coordinates are drawn "
    "independently of each other and of W, here with one standard deviation for all i unless "
    "another one is named; accuracy (8 in 16) is the share of the 8 largest change rates of one "
    "that are among the 16 largest of the other"
)
MINILM = (
    "the {n} {kind} weights of the six blocks of all-MiniLM-L6-v2, Gaussian coordinates, "
    "100 pairs of changes, mean over matrices"
)
SQUARE = MINILM.format(n=24, kind="square (384 x 384) query, key, value and output")
RECTANGULAR = MINILM.format(n=12, kind="rectangular (1536 x 384) dense")
LARGE = (
    "24 square weights of independent standard normal entries, 4096 x 4096 (their 400 smallest "
    "singular values, by the bidiagonal form), Gaussian coordinates, 60 pairs of changes each"
)
WIDE = (
    "24 weights of independent standard normal entries, 256 x 512, Gaussian coordinates, 60 pairs "
    "of changes each"
)

CLAIMS = (
    Claim(
        "T1",
        "The top s change rates of two unrelated changes of a weight share on average "
        "sum_i p_i(s) p_i(m) / s with the top m, p_i(s) being the chance that the i-th is among "
        "the s largest: on a hard edge of 1024 singular values, for Gaussian and exponential "
        "coordinates.",
        "derived",
        tuple(
            Check(
                f"{law}, {s} in {m}",
                Within(-0.01, 0.01),
                f"measured mean overlap of the top {s} with the top {m} minus the exact one, "
                f"sigma_k = k/1024, k = 1..1024, {law} |a_i|, 10000 pairs",
                predicted=at(0),
            )
            for law, s, m in EDGES
        ),
        f"{RATES}; p_i(s) by the distribution of a sum of independent coins. The bars are below "
        "0.025, by which the limit of large s, 1 + q - sqrt(1 + q^2) = 0.764 at q = 2, misses the "
        "exact 0.740 of 8 in 16",
        equation=f"{FINITE} (2)",
        test=f"{EXACT}::test_the_exact_null_is_the_mean_of_draws",
        trial=f"{TRIALS}.nulls.edge",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "T2",
        "LoRA has found the task's directions of the q, k and v weights of LLaMA-7B, as 0.75 to "
        "0.82 of its eight largest change rates are among the sixteen largest of full fine-tuning.",
        PAPER,
        where="section 3, accuracy and recall of the change rates on LLaMA-7B",
        kind=Kind.EFFECT,
        scope=Scope.NONE,
        untestable="It needs LLaMA-7B, fully fine-tuned and adapted by LoRA. What the figure is "
        "worth depends on what unrelated changes show, which was not published: see T2b for two "
        "laws of the coordinates on other weights, and T5 for a small network",
    ),
    Claim(
        "T2b",
        "Two unrelated changes of a square weight have the accuracy (8 in 16) that was published "
        "for LoRA on LLaMA-7B, 0.75 to 0.82, where the standard deviation of core coordinates is "
        "one for all, on a trained MiniLM and on average over Gaussian weights of 4096 x 4096; "
        "where it grows like sqrt(sigma_i), on MiniLM, they stay below it.",
        "derived",
        (
            Check(
                "MiniLM",
                PUBLISHED,
                f"accuracy (8 in 16), {SQUARE}",
                predicted=Within(0.781, 0.782),
                scope=Scope.ENCODER,
            ),
            Check(
                "Gaussian",
                PUBLISHED,
                f"accuracy (8 in 16), {LARGE}",
                predicted=Within(0.763, 0.777),
            ),
            Check(
                "MiniLM, root of sigma",
                Within(high=0.75),
                f"accuracy (8 in 16) of changes with coordinates of standard deviation "
                f"sqrt(sigma_i), {SQUARE}",
                predicted=Within(0.519, 0.520),
                scope=Scope.ENCODER,
            ),
        ),
        f"{RATES}; the unit is the pair of changes on MiniLM, the weight elsewhere; predictions: "
        "sum_i p_i(8) p_i(16) / 8, p_i(s) the chance that the i-th change rate is among the s "
        "largest, on the matrices at hand or over 50 other Gaussian weights with 3 standard errors",
        equation=f"{FINITE} (2)",
        test=f"{EXACT}::test_the_null_of_the_published_sizes_depends_on_the_law_and_on_the_edge",
        trial=f"{TRIALS}.nulls.transformer",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "T3",
        "The accuracy (8 in 16) of unrelated changes is below 0.3 on weights whose singular values "
        "stay away from 0, Gaussian ones of 256 x 512 and the 1536 x 384 ones of a trained MiniLM, "
        "and below 0.15 on singular values from 1 to 1/2.",
        "derived",
        (
            Check(
                "rectangular",
                Within(high=0.3),
                f"accuracy (8 in 16), {WIDE}",
                predicted=Within(0.227, 0.249),
            ),
            Check(
                "flat",
                Within(high=0.15),
                "accuracy (8 in 16), 256 singular values evenly from 1 to 1/2, Gaussian "
                "coordinates, 24 times 60 pairs of changes",
                predicted=Within(0.111, 0.1112),
            ),
            Check(
                "MiniLM",
                Within(high=0.3),
                f"accuracy (8 in 16), {RECTANGULAR}",
                predicted=Within(0.2039, 0.204),
                scope=Scope.ENCODER,
            ),
        ),
        f"{RATES}; predictions: T1's exact mean, over 24 other Gaussian weights with 3 standard "
        "errors",
        equation=f"{FINITE} (2)",
        test=f"{EXACT}::test_the_exact_null_is_the_mean_of_draws",
        trial=DRAWN,
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "T4",
        "An unrelated change of a square weight, too, has its 8 largest change rates on average at "
        "small but not the smallest singular values (in the lowest hundredth of 4096, in the "
        "lowest tenth of MiniLM's 384, above the 8 lowest), and its sorted change rates fall about "
        "like one over their rank.",
        "derived",
        (
            Check(
                "place",
                Within(3.5, 40.96),
                f"mean rank from the bottom (0 for the smallest) of the 8 largest, {LARGE}",
                predicted=Within(5.73, 5.92),
            ),
            Check(
                "place, MiniLM",
                Within(3.5, 38.4),
                f"mean rank from the bottom (0 for the smallest) of the 8 largest, {SQUARE}",
                predicted=Within(5.694, 5.696),
                scope=Scope.ENCODER,
            ),
            Check(
                "slope",
                Within(-1.2, -0.8),
                "slope of the least-squares line of log sorted change rate against log rank, ranks "
                f"5 to 50, {LARGE}",
                predicted=Within(-1.062, -1.039),
            ),
        ),
        f"{RATES}; 3.5 is the mean rank of the 8 smallest themselves; predictions: exact means at "
        "these sizes, over 50 other Gaussian weights with 3 standard errors, or of the matrices at "
        "hand",
        equation=f"{FINITE} (3)",
        test=f"{EXACT}::test_the_exact_null_is_the_mean_of_draws",
        trial=DRAWN,
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
)
