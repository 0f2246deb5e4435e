"""What one trained factor explains of a wanted change, in least squares."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at

PAPER = "2402.16842"
LAWS = "tests/theory/asymmetry/test_laws.py"
GUARANTEES = "tests/theory/asymmetry/test_guarantees.py"
TRIALS = "proxies.families.asymmetry.trials"

MORE, LESS = Within(low=0), Within(high=0)
ALWAYS = Within(low=0.95)  # "with high probability", read as the level at which intervals speak
ABOVE, EVEN, BELOW = Within(low=0.5), at(0.5), Within(high=0.5)
# Theorem 4.3 by case of linear.CASES: the case in words, and the probability that theory.asymmetry
# predicts; the first three meet the condition that the theorem needs.
THEOREM = {
    "1/i": ("variances 1/i, D with independent Gaussian entries", ABOVE),
    "1/i^2": ("variances 1/i^2, D with independent Gaussian entries", ABOVE),
    "1/i, D on the top 8": ("variances 1/i, D Gaussian on the 8 strongest inputs", ABOVE),
    "flat": ("equal variances, D with independent Gaussian entries", EVEN),
    "1/i, whitened": ("variances 1/i, D Gaussian with variance i in its column i", EVEN),
    "1/i, D on the bottom 8": ("variances 1/i, D Gaussian on the 8 weakest inputs", BELOW),
    "1/i, anti": ("variances 1/i, D Gaussian with variance i^2 in its column i", BELOW),
}
CASES = (
    "the cases: 64 inputs and outputs with equal variances, 1/i or 1/i^2 and a D of independent "
    "Gaussian entries; with variances 1/i and D Gaussian on the 8 strongest or the 8 weakest "
    "inputs alone, or with variance i or i^2 in its column i; equal variances from 128 inputs to "
    "32 outputs and from 32 to 128, and variances 1/i from 128 to 32, D with independent entries"
)
PROBLEM = (
    "y = (W + D) x for Gaussian inputs x of second moment S; the loss of a change B A is "
    "Tr[(D - B A) S (D - B A)^T], T at B A = 0"
)
FROZEN = (
    f"{PROBLEM}; the frozen factor has independent Gaussian entries, the other is at its optimum"
)

CLAIMS = (
    Claim(
        "A1",
        "In least squares the optimum of one trained factor has a closed form for any frozen "
        "factor of full rank: B* = D S Q^T (Q S Q^T)^-1 beside a frozen A = Q, and A* = U^+ D "
        "beside a frozen B = U.",
        PAPER,
        (
            Check(
                "gradient",
                Within(high=40),  # worst of 400 seeds below 1000: 3.7
                "gradient of a lora layer at the closed form over that at its initialization, "
                "worse of the two factors",
                claimed="0",
            ),
            Check(
                "loss",
                Within(high=40),  # worst of 400 seeds below 1000: 4.2
                "loss of a lora layer at the closed form against T less the explained part, over "
                "T, worse of the two factors",
                claimed="0",
            ),
        ),
        "2 to 12 inputs and outputs, every rank that fits, S of 50 Gaussian samples of variances "
        "i^-a with a in [0, 2], float64; in units of eps cond(S) cond(frozen factor)^2",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
        where="section 4",
        equation="theory.asymmetry.frozen_factor (2)",
        test=f"{LAWS}::test_closed_forms",
        trial=f"{TRIALS}.linear.closed_forms",
    ),
    Claim(
        "A2",
        "Beside a random frozen B training A explains on average exactly the share r/out of a "
        "wanted change in least squares, whatever the change and the inputs.",
        "derived",
        (
            Check(
                "share",
                Within(high=10),  # worst of 600 seeds below 1000: 1.0
                "distance of the mean explained share from r/out, in units of eps out",
            ),
        ),
        f"{PROBLEM}; rank 1 to 4, out 2 to 6 times the rank, 2 to 24 inputs of variances i^-a with "
        "a in [0, 2], Gaussian D; the mean is over the blocks of r columns of a uniform "
        "orthonormal basis, each of which is a uniform frozen B",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
        equation="theory.asymmetry.frozen_factor (6)",
        test=f"{LAWS}::test_closed_forms",
        trial=f"{TRIALS}.exact.basis",
    ),
    Claim(
        "A2b",
        "Beside a random frozen A training B explains sum_i c_i lambda_i/(lambda_i + gamma) of a "
        "wanted change in least squares to within 7 % on average at rank 4 and 16 and to within "
        "12 % at rank 1, in ten cases of 32 to 128 inputs and outputs.",
        "derived",
        tuple(
            Check(
                f"rank {rank}",
                Within(1 - most, 1 + most),
                f"mean over draws of the explained over the predicted share, rank {rank}; the "
                "case that is farthest from 1, its interval at a tenth of the error for each of "
                "the ten",
                predicted=Within(1 - most, 1 + most),
            )
            for rank, most in ((1, 0.12), (4, 0.07), (16, 0.07))
        ),
        f"{FROZEN}; lambda_i and v_i the eigenvalues and -vectors of S, c_i = lambda_i |D v_i|^2 / "
        "T, gamma from "
        f"sum_i lambda_i/(lambda_i + gamma) = r; {CASES}; new D and A at each draw. The formula is "
        "an equivalent for many inputs, not exact",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        equation="theory.asymmetry.frozen_factor (5)",
        test=f"{LAWS}::test_means_over_random_frozen_factors",
        trial=f"{TRIALS}.linear.explained",
    ),
    Claim(
        "A3",
        "In least squares on a square layer with random frozen factors the loss with B trained is "
        "at most that with A trained, with high probability, whatever the change and the inputs.",
        PAPER,
        tuple(
            Check(
                case,
                ALWAYS,
                f"share of draws in which training B explains at least as much as training A, "
                f"{words}",
                claimed="near 1",
                predicted=predicted,
            )
            for case, (words, predicted) in THEOREM.items()
        ),
        f"{FROZEN}; 64 inputs and outputs, rank 4; new D, Q and U at each draw. The theorem is for "
        "d/r without bound; tests/theory/asymmetry/test_laws.py has the contradicted cases at d/r "
        "= 4, 16 and 64",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        where="theorem 4.3",
        universal=True,
        separates="Tr[D S^2 D^T] / Tr[D S D^T] above Tr S / out: the change lies on inputs that "
        "are stronger than the mean",
        equation="theory.asymmetry.frozen_factor (7)",
        test=f"{LAWS}::test_the_theorem_without_a_condition_is_false",
        trial=f"{TRIALS}.linear.explained",
    ),
    Claim(
        "A3b",
        "In least squares kappa out / Tr S says at low rank which of two factors explains more "
        "beside a random frozen one, B where it is above 1 and A where it is below; the shares "
        "lambda_i/(lambda_i + gamma) say it at every rank, in ten cases of 32 to 128 inputs and "
        "outputs.",
        "derived",
        (
            Check(
                "sign",
                at(1),
                "1 where the statistic is right, each case at each of the ranks 1, 4 and 16 that "
                "is at most a third of (Tr S)^2/Tr S^2 and of out",
                predicted=at(1),
            ),
            Check(
                "shares",
                at(1),
                "1 where the predicted mean share of B against r/out is right, each case at rank "
                "1, 4 and 16",
                predicted=at(1),
            ),
        ),
        f"{FROZEN}; kappa = Tr[D S^2 D^T]/Tr[D S D^T]; {CASES}; the factor that explains more is "
        "the one with the larger mean over draws; counted are the cases whose statistic is 5 % or "
        "more from 1 and whose two means differ by more than 1 % of the larger",
        kind=Kind.LAW,
        scope=Scope.SIMULATION,
        equation="theory.asymmetry.frozen_factor (7)",
        test=f"{LAWS}::test_sign_condition",
        trial=f"{TRIALS}.linear.explained",
    ),
    Claim(
        "A3c",
        "In least squares on a layer with no more inputs than outputs training B beside a random "
        "frozen A explains on average at least as much as training A beside a random frozen B "
        "where the change is ordered as the inputs are, and on a square layer of unequal inputs "
        "it explains less of a change of the weakest input alone.",
        "derived",
        (
            Check(
                "ordered",
                MORE,
                "mean share of B less r/out, c_i = lambda_i |D v_i|^2 uniform and sorted as the "
                "lambda_i, in to 2 in outputs",
                predicted=MORE,
            ),
            Check(
                "weakest input",
                LESS,
                "mean share of B less r/out, D on the weakest input alone, as many outputs as "
                "inputs",
                predicted=LESS,
            ),
        ),
        f"{PROBLEM}; 2 to 5 inputs, lambda_i uniform in [.05, 1], rank below in; the mean is over "
        "all signed permutations of the columns of a Gaussian A = Q, without sampling error; that "
        "of A is r/out (A2)",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        equation="theory.asymmetry.guarantees (4)",
        test=f"{GUARANTEES}::test_b_is_better_for_ordered_changes_and_for_no_layer_always",
        trial=f"{TRIALS}.exact.ordered",
    ),
    Claim(
        "A4",
        "In least squares with inputs of equal variance in r directions, training B of rank r "
        "beside a random frozen A loses nothing and explains a share 1 - r/out more than training "
        "A beside a random frozen B does on average.",
        PAPER,
        (
            Check(
                "lost share",
                Within(high=6),  # worst of 600 seeds below 1000: .67
                "share of T that is lost with B trained, in units of eps in cond(Q V), V the r "
                "directions",
                claimed="0",
            ),
            Check(
                "lead",
                Within(high=4),  # worst of 600 seeds below 1000: .42
                "distance of B's lead over the mean share of A from 1 - r/out, in those units and "
                "eps out together",
                claimed="0 as d grows",
            ),
        ),
        f"{PROBLEM}; rank 1 to 4, out 2 to 6 times the rank, up to 24 inputs more than the rank, "
        "Gaussian D and Q; the mean of A is over the blocks of a uniform orthonormal basis. "
        "Stated for large d, exact at every size",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
        where="section 4",
        equation="theory.asymmetry.frozen_factor (9)",
        test=f"{LAWS}::test_closed_forms",
        trial=f"{TRIALS}.exact.few_inputs",
    ),
)
