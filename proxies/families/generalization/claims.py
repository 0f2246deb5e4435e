"""The claims A8, A9 and A14 as data: sentences of the papers or of this project, criteria as theory
gives them."""

from loralab.claims import Check, Claim, Verdict, Within

REFUTED = Verdict.REFUTED
AT_MOST_ONE = Within(high=1)
VACUOUS = Within(high=0.9)  # what a guess among ten classes gets wrong
# A sum of 6435 probabilities is rounded by 6435 eps = 1.4e-12 of itself at most, each by some 10
# eps of its own.
EXACT = Within(high=1e-11)
SMALL = (
    "adapters of rank 1 at 2 bits on a 3 x 4 layer, 8 inputs, three classes, a tenth of "
    "the labels changed"
)
INTERPOLATING = "as A8 with labels that the class can fit"
DIGITS = (
    "a linear classifier of 400 digits adapted at rank 4 to 1000 mirrored ones, tested "
    "on 397; 0-1 loss, delta 0.05"
)

CLAIMS = (
    Claim(
        "A8",
        "Bounds on the generalisation gap by stored bits, size of the class, entropy, single "
        "samples (ISMI) and "
        "supersamples (CMI, e-CMI, ld-MI) all lie above the gap, each finer one below the coarser.",
        "2402.16842",
        (
            Check(
                "",
                AT_MOST_ONE,
                "gap over the least of the bounds, every problem, variant and n",
                predicted="<= 1",
            ),
            Check(
                "",
                AT_MOST_ONE,
                "bound over the coarser one: bits, size of the class, entropy, ISMI",
                predicted="<= 1",
            ),
            Check(
                "",
                AT_MOST_ONE,
                "bound over the coarser one: CMI, e-CMI; e-CMI averaged before the root, ld-MI",
                predicted="<= 1",
            ),
            Check(
                "",
                Within(1 - 1e-12, 1 + 1e-12),
                "bits bound, both over B only, over sqrt((d_in + d_out)/d_out)",
                predicted="1",
            ),
            Check(
                "",
                Within(high=2),
                "tightest bound over the gap, mean over problems",
                predicted="<= 2",
            ),
            Check(
                "",
                Within(high=4),
                "gap by supersamples against gap by samples, in standard errors",
                predicted="< 4",
            ),
            Check(
                "",
                AT_MOST_ONE,
                "ld-MI over e-CMI, labels that the class can fit (the mean is inside the root of "
                "ld-MI alone)",
                predicted="> 1",
                expected=REFUTED,
            ),
        ),
        f"{SMALL}; exact over all samples, or over all selectors of drawn supersamples. No "
        "constant bounds the "
        "tightness of every problem: without training error ld-MI is sqrt(2 ln 2 / risk) times "
        "the gap",
    ),
    Claim(
        "A8b",
        "The bits bound of B-only training needs an A that was made without the training sample.",
        "derived",
        (
            Check(
                "",
                Within(low=1),
                "gap over the bound, A from the labels of the training sample",
                predicted="> 1",
            ),
            Check("", AT_MOST_ONE, "the same, with the bits of A counted", predicted="<= 1"),
        ),
        "6 and 8 one-hot inputs with fair coins for labels, one stored bit, n = 4 to 6",
    ),
    Claim(
        "A8c",
        "Training one factor instead of both generalises better, as its smaller bound says.",
        "2402.16842",
        (
            Check("", Within(low=1), "gap, both over B only", predicted="> 1"),
            Check("", Within(low=1), "gap, both over A only", predicted="> 1"),
            Check(
                "",
                Within(low=1),
                "population risk, both over B only",
                predicted="< 1",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(low=1),
                "population risk, both over A only",
                predicted="< 1",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(low=1),
                "test error on digits, both over B only",
                predicted="< 1",
                expected=REFUTED,
            ),
        ),
        f"{SMALL}; for digits as A9; direction declared after a first look at these problems",
    ),
    Claim(
        "A8d",
        "Conditioning on a supersample costs more than it saves, mostly: the bound by CMI is "
        "above the one by entropy.",
        "derived",
        (
            Check(
                "",
                Within(low=1),
                "bound by CMI over bound by entropy, mean over problems",
                predicted="> 1",
            ),
        ),
        f"{SMALL}; CMI has the constant 2 where the other has 1/2, so it needs less than a "
        "quarter of the information; "
        "declared after a first look at these problems",
    ),
    Claim(
        "A8e",
        "The bits bound of B-only training is below 1 for 0-1 loss, so that it says something.",
        "derived",
        (
            Check(
                "", AT_MOST_ONE, "one 10 x 64 layer, rank 4, 8 bits, n = 1000", predicted="0.333"
            ),
            Check(
                "",
                AT_MOST_ONE,
                "RoBERTa-large on MNLI, rank 8, 16 bits",
                predicted="2.89",
                expected=REFUTED,
            ),
            Check(
                "",
                AT_MOST_ONE,
                "RoBERTa-large on RTE, rank 8, 16 bits",
                predicted="36.2",
                expected=REFUTED,
            ),
        ),
        "query, key and value of 24 layers; n = 392 702 and 2490",
    ),
    Claim(
        "A9",
        "A bound that holds with 95 % certifies trained adapters as better than guessing.",
        "derived",
        (
            Check(
                "",
                AT_MOST_ONE,
                "test error over its bound, every candidate and variant",
                predicted="<= 1",
            ),
            Check("", VACUOUS, "PAC-Bayes-kl bound, B only", predicted="< 0.9"),
            Check("", VACUOUS, "PAC-Bayes-kl bound, A only", predicted="< 0.9"),
            Check("", VACUOUS, "PAC-Bayes-kl bound, both", predicted="< 0.9"),
            Check(
                "",
                VACUOUS,
                "Occam bound of what is trained, 32 bits, B only",
                predicted="> 0.9",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(high=0.6),
                "divergence from the prior, B only over A only",
                predicted="<= 0.6",
            ),
            Check(
                "",
                AT_MOST_ONE,
                "bound with A of EVA from a disjoint split, over that with a random A, B only",
                predicted="< 1",
            ),
        ),
        DIGITS,
    ),
    Claim(
        "A14",
        "An algorithm without training error has a population risk of exactly (1/n) sum_i I(D_i; "
        "U_i) / ln 2.",
        "derived",
        (
            Check("", EXACT, "difference, n = 8, all samples", predicted="0"),
            Check("", EXACT, "difference, n = 2, all supersamples and selectors", predicted="0"),
        ),
        INTERPOLATING,
    ),
)
