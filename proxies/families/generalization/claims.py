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
                "<= 1",
                AT_MOST_ONE,
                "gap over the least of the bounds, every problem, variant and n",
            ),
            Check(
                "<= 1",
                AT_MOST_ONE,
                "bound over the coarser one: bits, size of the class, entropy, ISMI",
            ),
            Check(
                "<= 1",
                AT_MOST_ONE,
                "bound over the coarser one: CMI, e-CMI; e-CMI averaged before the root, ld-MI",
            ),
            Check(
                "1",
                Within(1 - 1e-12, 1 + 1e-12),
                "bits bound, both over B only, over sqrt((d_in + d_out)/d_out)",
            ),
            Check("<= 2", Within(high=2), "tightest bound over the gap, mean over problems"),
            Check(
                "< 4",
                Within(high=4),
                "gap by supersamples against gap by samples, in standard errors",
            ),
            Check(
                "> 1",
                AT_MOST_ONE,
                "ld-MI over e-CMI, labels that the class can fit (the mean is inside the root of "
                "ld-MI alone)",
                REFUTED,
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
                "> 1", Within(low=1), "gap over the bound, A from the labels of the training sample"
            ),
            Check("<= 1", AT_MOST_ONE, "the same, with the bits of A counted"),
        ),
        "6 and 8 one-hot inputs with fair coins for labels, one stored bit, n = 4 to 6",
    ),
    Claim(
        "A8c",
        "Training one factor instead of both generalises better, as its smaller bound says.",
        "2402.16842",
        (
            Check("> 1", Within(low=1), "gap, both over B only"),
            Check("> 1", Within(low=1), "gap, both over A only"),
            Check("< 1", Within(low=1), "population risk, both over B only", REFUTED),
            Check("< 1", Within(low=1), "population risk, both over A only", REFUTED),
            Check("< 1", Within(low=1), "test error on digits, both over B only", REFUTED),
        ),
        f"{SMALL}; for digits as A9; direction declared after a first look at these problems",
    ),
    Claim(
        "A8d",
        "Conditioning on a supersample costs more than it saves, mostly: the bound by CMI is "
        "above the one by entropy.",
        "derived",
        (Check("> 1", Within(low=1), "bound by CMI over bound by entropy, mean over problems"),),
        f"{SMALL}; CMI has the constant 2 where the other has 1/2, so it needs less than a "
        "quarter of the information; "
        "declared after a first look at these problems",
    ),
    Claim(
        "A8e",
        "The bits bound of B-only training is below 1 for 0-1 loss, so that it says something.",
        "derived",
        (
            Check("0.333", AT_MOST_ONE, "one 10 x 64 layer, rank 4, 8 bits, n = 1000"),
            Check("2.89", AT_MOST_ONE, "RoBERTa-large on MNLI, rank 8, 16 bits", REFUTED),
            Check("36.2", AT_MOST_ONE, "RoBERTa-large on RTE, rank 8, 16 bits", REFUTED),
        ),
        "query, key and value of 24 layers; n = 392 702 and 2490",
    ),
    Claim(
        "A9",
        "A bound that holds with 95 % certifies trained adapters as better than guessing.",
        "derived",
        (
            Check("<= 1", AT_MOST_ONE, "test error over its bound, every candidate and variant"),
            Check("< 0.9", VACUOUS, "PAC-Bayes-kl bound, B only"),
            Check("< 0.9", VACUOUS, "PAC-Bayes-kl bound, A only"),
            Check("< 0.9", VACUOUS, "PAC-Bayes-kl bound, both"),
            Check("> 0.9", VACUOUS, "Occam bound of what is trained, 32 bits, B only", REFUTED),
            Check("<= 0.6", Within(high=0.6), "divergence from the prior, B only over A only"),
            Check(
                "< 1",
                AT_MOST_ONE,
                "bound with A of EVA from a disjoint split, over that with a random A, B only",
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
            Check("0", EXACT, "difference, n = 8, all samples"),
            Check("0", EXACT, "difference, n = 2, all supersamples and selectors"),
        ),
        INTERPOLATING,
    ),
)
