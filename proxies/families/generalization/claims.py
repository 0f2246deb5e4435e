"""The claims A8, A9 and A14 as data: sentences of the papers or of this project, criteria as theory
gives them."""

from loralab.claims import Check, Claim, Verdict, Within

REFUTED = Verdict.REFUTED
AT_MOST_ONE, AT_LEAST_ONE = Within(high=1), Within(low=1)
VACUOUS = Within(high=0.9)  # what a guess among ten classes gets wrong
# A sum of 6435 probabilities is rounded by 6435 eps = 1.4e-12 of itself at most, each by some 10
# eps of its own.
EXACT = Within(high=1e-11)

PROBLEM = "adapters of rank 1 with 2 bits a number on a 3 x 4 layer, 8 inputs, three classes"
NOISY = f"{PROBLEM}, a tenth of the labels changed"
CLEAN = f"{PROBLEM}, labels that an adapter of the class gives"
DIGITS = (
    "a linear classifier of 400 digits adapted at rank 4 to 1000 mirrored ones, tested "
    "on 397; 0-1 loss, delta 0.05"
)
SEEN_BEFORE = "the direction was declared after the first results on these problems"

TRAINED = {"B": "B alone", "A": "A alone", "BA": "both factors"}

BOUNDS, CERTIFICATE = "theory.generalization.bounds", "theory.generalization.certificate"
TESTS = "tests/theory/generalization"
TRIALS = "proxies.families.generalization.trials"

CLAIMS = (
    Claim(
        "A8",
        "Bounds on the generalisation gap by stored bits, size of the class, entropy, single "
        "samples (ISMI) and supersamples (CMI, e-CMI, ld-MI) all lie above the gap, each finer one "
        "below the coarser.",
        "2402.16842",
        (
            Check(
                "gap",
                AT_MOST_ONE,
                "generalisation gap over the least of its bounds, every problem, variant and n",
                predicted="<= 1",
            ),
            Check(
                "order",
                AT_MOST_ONE,
                "each bound over the next coarser one: ISMI, entropy, size of the class, stored "
                "bits",
                predicted="<= 1",
            ),
            Check(
                "order of supersamples",
                AT_MOST_ONE,
                "each supersample bound over the next coarser one: e-CMI over CMI; ld-MI and e-CMI "
                "over e-CMI averaged before the root",
                predicted="<= 1",
            ),
            Check(
                "bits",
                Within(1 - 1e-12, 1 + 1e-12),
                "stored-bits bound, both factors trained over B alone, in units of "
                "sqrt((d_in + d_out)/d_out)",
                claimed="1",
                predicted="1",
            ),
            Check(
                "tightness",
                Within(high=2),
                "least bound over the generalisation gap, mean over problems",
                predicted="<= 2",
            ),
            Check(
                "two gaps",
                Within(high=4),
                "gap over supersamples minus gap over samples, in standard errors",
                predicted="< 4",
            ),
            Check(
                "ld-MI",
                AT_MOST_ONE,
                "ld-MI bound over e-CMI bound, labels that the class can fit (only ld-MI has the "
                "mean inside the root)",
                predicted="> 1",
                expected=REFUTED,
            ),
        ),
        f"{NOISY}; exact over all samples, or over all selectors of drawn supersamples. No "
        "constant bounds the tightness of every problem: without training error ld-MI is "
        "sqrt(2 ln 2 / risk) times the gap",
        equation=f"{BOUNDS} (1)",
        test=f"{TESTS}/test_bounds.py::test_chain_of_bounds",
        trial=f"{TRIALS}.chain.chain",
    ),
    Claim(
        "A8b",
        "The stored-bits bound of training B alone needs an A that was made without the training "
        "sample.",
        "derived",
        (
            Check(
                "A not counted",
                AT_LEAST_ONE,
                "gap over the stored-bits bound of B alone, A made from the labels of the training "
                "sample",
                predicted="> 1",
            ),
            Check(
                "A counted",
                AT_MOST_ONE,
                "gap over the stored-bits bound of B and A, A made from the labels of the training "
                "sample",
                predicted="<= 1",
            ),
        ),
        "6 and 8 one-hot inputs with fair coins for labels, one stored bit, n = 4 to 6",
        equation=f"{BOUNDS} (3)",
        test=f"{TESTS}/test_bounds.py::test_a_frozen_factor_chosen_from_the_sample_breaks_the_"
        "bound_of_what_is_trained",
        trial=f"{TRIALS}.chain.memory",
    ),
    Claim(
        "A8c",
        "Training one factor instead of both generalises better, as its smaller bound says.",
        "2402.16842",
        (
            *(
                Check(
                    f"gap over {factor} alone",
                    AT_LEAST_ONE,
                    f"generalisation gap, both factors trained over {factor} alone",
                    claimed="> 1",
                    predicted="> 1",
                )
                for factor in "BA"
            ),
            *(
                Check(
                    f"risk over {factor} alone",
                    AT_LEAST_ONE,
                    f"population risk, both factors trained over {factor} alone",
                    claimed="> 1",
                    predicted="< 1",
                    expected=REFUTED,
                )
                for factor in "BA"
            ),
            Check(
                "digits over B alone",
                AT_LEAST_ONE,
                "test error on digits, both factors trained over B alone",
                claimed="> 1",
                predicted="< 1",
                expected=REFUTED,
            ),
        ),
        f"gap and risk: {NOISY}; test error: {DIGITS}; {SEEN_BEFORE}",
        equation=f"{BOUNDS} (3)",
        test=f"{TESTS}/test_bounds.py::test_bits_of_the_three_variants",
        trial=f"{TRIALS}.chain.chain",
    ),
    Claim(
        "A8d",
        "Conditioning on a supersample costs more than it saves, mostly: the bound by CMI is "
        "above the one by entropy.",
        "derived",
        (
            Check(
                "CMI over entropy",
                AT_LEAST_ONE,
                "bound by CMI over bound by entropy, mean over problems",
                predicted="> 1",
            ),
        ),
        f"{NOISY}; CMI has the constant 2 where the other has 1/2, so it needs less than a "
        f"quarter of the information; {SEEN_BEFORE}",
        equation=f"{BOUNDS} (4)",
        test=f"{TESTS}/test_bounds.py::test_supersample_against_its_definition",
        trial=f"{TRIALS}.chain.chain",
    ),
    Claim(
        "A8e",
        "The stored-bits bound of training B alone is below 1 for the 0-1 loss, so that it says "
        "something.",
        "derived",
        (
            Check(
                "digits",
                AT_MOST_ONE,
                "stored-bits bound of B alone, one 10 x 64 layer, rank 4, 8 bits, n = 1000",
                predicted="0.333",
            ),
            Check(
                "MNLI",
                AT_MOST_ONE,
                "stored-bits bound of B alone, RoBERTa-large on MNLI, rank 8, 16 bits, n = 392 702",
                predicted="2.89",
                expected=REFUTED,
            ),
            Check(
                "RTE",
                AT_MOST_ONE,
                "stored-bits bound of B alone, RoBERTa-large on RTE, rank 8, 16 bits, n = 2490",
                predicted="36.2",
                expected=REFUTED,
            ),
        ),
        "of RoBERTa-large query, key and value of 24 layers are adapted",
        equation=f"{BOUNDS} (3)",
        test=f"{TESTS}/test_bounds.py::test_worked_numbers",
        trial=f"{TRIALS}.chain.at_scale",
    ),
    Claim(
        "A9",
        "A bound that holds with 95 % certifies trained adapters as better than guessing.",
        "derived",
        (
            Check(
                "validity",
                AT_MOST_ONE,
                "test error over its bound, every candidate, variant and split",
                predicted="<= 1",
            ),
            *(
                Check(
                    f"PAC-Bayes, {words}",
                    VACUOUS,
                    f"PAC-Bayes-kl bound on the test error, {words}",
                    predicted="< 0.9",
                )
                for words in TRAINED.values()
            ),
            Check(
                "Occam",
                VACUOUS,
                "Occam bound on the test error of the trained factors in 32 bits, B alone",
                predicted="> 0.9",
                expected=REFUTED,
            ),
            Check(
                "divergence",
                Within(high=0.6),
                "KL divergence from the prior, training B alone over training A alone",
                predicted="<= 0.6",
            ),
            Check(
                "EVA",
                AT_MOST_ONE,
                "certified bound of training B alone, A of EVA from a disjoint split over a "
                "random A",
                predicted="< 1",
            ),
        ),
        DIGITS,
        equation=f"{CERTIFICATE} (3)",
        test=f"{TESTS}/test_certificate.py::test_pac_bayes_of_a_posterior_made_from_the_sample",
        trial=f"{TRIALS}.posterior.certified",
    ),
    Claim(
        "A14",
        "An algorithm without training error has a population risk of exactly (1/n) sum_i I(D_i; "
        "U_i) / ln 2.",
        "derived",
        (
            Check(
                "samples",
                EXACT,
                "risk minus its formula, absolute, n = 8, over all samples",
                predicted="0",
            ),
            Check(
                "supersamples",
                EXACT,
                "risk minus its formula, absolute, n = 2, over all supersamples and selectors",
                predicted="0",
            ),
        ),
        CLEAN,
        equation=f"{BOUNDS} (8)",
        test=f"{TESTS}/test_bounds.py::test_interpolating_risk_is_the_information",
        trial=f"{TRIALS}.chain.chain",
    ),
)
