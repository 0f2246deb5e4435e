"""A8 and A14: bounds on the generalization gap of problems that can be enumerated."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.generalization.claims.images import IMAGES

AT_MOST_ONE, AT_LEAST_ONE = Within(high=1), Within(low=1)
PAPER = "2402.16842"
TRAINED = {"B": "B alone", "A": "A alone", "BA": "both factors"}
BOUNDS = "theory.generalization.bounds"
TESTS = "tests/theory/generalization/test_bounds.py"
CHAIN = "proxies.families.generalization.trials.chain"

PROBLEM = (
    "argmax (W_0 + B A) x over three classes, x the 8 corners of {-1, 1}^3 with a fourth "
    "coordinate 1, equally likely, W_0 3 x 4 standard normal, B A of rank 1 with numbers stored in "
    "2 bits, -1, -1/3, 1/3 or 1, a frozen factor a uniform unit vector; n labelled inputs are "
    "drawn, and learning takes the adapter of least training error, the first in a random order "
    "of those that tie; 0-1 loss"
)
NOISY = (
    f"{PROBLEM}; labels argmax W x with W standard normal, each replaced by one of the other two "
    "classes with probability 0.1. Gap, risk and the bounds by adapters, class, entropy and single "
    "samples are exact over all samples; those by supersamples are exact over the 2^n selectors of "
    "each of 200 drawn supersamples. A draw is a problem"
)
CLEAN = f"{PROBLEM}; labels that an adapter of the class gives, n = 8"
MEAN = "geometric mean over problems, n = 6"
GAPS = (
    ("gap", "generalization gap, population risk minus training error,"),
    ("risk", "population risk,"),
)

CLAIMS = (
    Claim(
        "A8",
        "Bounds on the generalization gap of an adapter by stored bits, size of the class, "
        "entropy, single samples (ISMI) and supersamples (CMI, e-CMI, ld-MI) all lie above the gap "
        "of every enumerable problem, each finer one below the coarser.",
        "derived",
        (
            Check(
                "gap",
                AT_MOST_ONE,
                "generalization gap over the least of its bounds, n = 2 to 6, B, A or both trained",
                predicted=AT_MOST_ONE,
            ),
            Check(
                "order",
                AT_MOST_ONE,
                "each bound over the next coarser one: ISMI, entropy, size of the class, stored "
                "bits; n = 2 to 6, B, A or both trained",
                predicted=AT_MOST_ONE,
            ),
            Check(
                "order of supersamples",
                AT_MOST_ONE,
                "each supersample bound over the next coarser one: e-CMI over CMI; ld-MI and e-CMI "
                "over e-CMI averaged before the root; n = 2 to 6, B, A or both trained",
                predicted=AT_MOST_ONE,
            ),
            Check(
                "A from the sample",
                AT_MOST_ONE,
                "gap over the stored-bits bound that counts A as well as the trained B, where A is "
                "made from the labels of the training sample: 6 and 8 one-hot inputs, one output, "
                "fair coins for labels, one stored bit, n = 4, 5 and 6",
                predicted=AT_MOST_ONE,
            ),
        ),
        NOISY,
        equation=f"{BOUNDS} (1)",
        test=f"{TESTS}::test_chain_of_bounds",
        trial=f"{CHAIN}.chain",
        kind=Kind.LAW,
        scope=Scope.EXACT,
    ),
    Claim(
        "A8b",
        "The stored-bits bound on the generalization gap that counts the trained B alone holds "
        "however A was made, also from the training sample.",
        "derived",
        (
            Check(
                "A from the sample",
                AT_MOST_ONE,
                "gap over the stored-bits bound of B alone, A made from the labels of the training "
                "sample",
                predicted=AT_LEAST_ONE,
            ),
        ),
        "6 and 8 one-hot inputs, one output, fair coins for labels, one stored bit, n = 4, 5 and "
        "6: A holds the labels that were seen as signs, B = 1; exact over all samples. The lemma "
        "of arXiv:2402.16842 takes an A that does not depend on the sample",
        equation=f"{BOUNDS} (3)",
        test=f"{TESTS}::test_a_frozen_factor_chosen_from_the_sample_breaks_the_bound_of_what_is_"
        "trained",
        trial=f"{CHAIN}.memory",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        universal=True,
    ),
    Claim(
        "A8c",
        "Training B alone instead of both factors at the same rank improves the bound on the "
        "generalization gap, by stored bits and by what is learned, of enumerable problems of "
        "rank 1.",
        PAPER,
        tuple(
            Check(
                key,
                AT_MOST_ONE,
                f"bound by {words}, B alone over both factors trained, {MEAN}",
                claimed="the bound improves",
                predicted=Within(0.6546, 0.6547) if key == "stored bits" else None,
            )
            for key, words in (
                ("stored bits", "the logarithm of the number of adapters that can be stored"),
                ("class", "the logarithm of the number of functions that these adapters compute"),
                ("entropy", "the entropy of what is learned"),
                ("single samples", "what is learned of single samples (ISMI)"),
                ("supersamples", "supersamples (CMI)"),
                ("losses", "the losses on supersamples (e-CMI)"),
                ("differences", "the loss differences on supersamples (ld-MI)"),
            )
        ),
        f"{NOISY}. The source's own bound is the first",
        equation=f"{BOUNDS} (3)",
        test=f"{TESTS}::test_bits_of_the_three_variants",
        trial=f"{CHAIN}.chain",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        where="abstract",
    ),
    Claim(
        "A8d",
        "Conditioning on a supersample tightens the bound on the generalization gap: the one by "
        "CMI lies below the one by the entropy of what is learned, on enumerable problems of rank "
        "1.",
        "derived",
        (
            Check(
                "CMI over entropy",
                AT_MOST_ONE,
                f"bound by CMI over bound by entropy, B, A and both trained, {MEAN}",
                predicted=AT_LEAST_ONE,
            ),
        ),
        f"{NOISY}. CMI has the constant 2 where the other has 1/2, so that it needs less than a "
        "quarter of the information",
        equation=f"{BOUNDS} (4)",
        test=f"{TESTS}::test_supersample_against_its_definition",
        trial=f"{CHAIN}.chain",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    *(
        Claim(
            id,
            statement,
            "derived",
            (
                *(
                    Check(
                        f"{factor} alone",
                        AT_MOST_ONE,
                        f"{words} {factor} alone over both factors trained, {MEAN}",
                        predicted=predicted,
                    )
                    for factor in "BA"
                ),
                *more,
            ),
            f"gap and risk: {NOISY}{elsewhere}",
            equation=f"{BOUNDS} (3)",
            test=f"{TESTS}::test_bits_of_the_three_variants",
            trial=f"{CHAIN}.chain",
            kind=Kind.EFFECT,
            scope=Scope.SIMULATION,
        )
        for id, statement, (_, words), predicted, elsewhere, more in (
            (
                "A8f",
                "Training one factor alone instead of both leaves a smaller generalization gap, on "
                "enumerable problems of rank 1.",
                GAPS[0],
                AT_MOST_ONE,
                "",
                (),
            ),
            (
                "A8g",
                "Training one factor alone instead of both leaves a smaller error on unseen data, "
                "as its smaller bound on the gap may suggest, on enumerable problems of rank 1 and "
                "on linear classifiers of 8 x 8 images.",
                GAPS[1],
                None,
                f". Test error of images, mean over 400 draws of the posterior: {IMAGES}",
                tuple(
                    Check(
                        source,
                        AT_MOST_ONE,
                        f"test error, B alone over both factors trained, {words}, geometric mean",
                        scope=scope,
                    )
                    for source, words, scope in (
                        ("digits", "397 mirrored digits of each split", Scope.SMALL),
                        ("drawn images", "2000 mirrored images of each seed", Scope.SIMULATION),
                    )
                ),
            ),
        )
    ),
    Claim(
        "A8h",
        "The bound by loss differences (ld-MI) lies below the bound by the losses of each "
        "supersample (e-CMI), on enumerable problems of rank 1.",
        "derived",
        tuple(
            Check(
                key,
                AT_MOST_ONE,
                f"ld-MI bound over e-CMI bound, {words}, B, A and both trained, geometric mean "
                "over problems",
            )
            for key, words in (
                ("noisy labels", "a tenth of the labels replaced, n = 6"),
                ("fitted labels", "labels that an adapter of the class gives, n = 8"),
            )
        ),
        f"noisy: {NOISY}. Fitted: {CLEAN}, problems without risk left out. Only ld-MI has the mean "
        "over supersamples inside the root",
        equation=f"{BOUNDS} (7)",
        test=f"{TESTS}::test_forgetting_the_supersample_can_loosen_the_bound",
        trial=f"{CHAIN}.chain",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
        separates="a training error remains",
    ),
    Claim(
        "A8i",
        "The least of five exact bounds is within a factor of two of the generalization gap, on "
        "average over enumerable problems of rank 1 with noisy labels.",
        "derived",
        (
            Check(
                "least bound",
                Within(high=2),
                "least of the bounds by stored bits, class, entropy, single samples and ld-MI over "
                f"the gap, B, A and both trained, {MEAN}",
            ),
        ),
        f"{NOISY}. No constant bounds every problem: without training error ld-MI is sqrt(2 ln 2 / "
        "risk) times the gap",
        equation=f"{BOUNDS} (7)",
        test=f"{TESTS}::test_chain_of_bounds",
        trial=f"{CHAIN}.chain",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "A14",
        "An algorithm without training error has a population risk of exactly (1/n) sum_i I(D_i; "
        "U_i) / ln 2, D_i the loss difference of pair i of a supersample and U_i its selector.",
        "derived",
        (
            Check(
                "samples",
                Within(high=4.9e-15),
                "risk minus its formula, absolute, n = 8, over all samples, B, A or both trained",
            ),
            Check(
                "supersamples",
                Within(high=4.9e-15),
                "risk minus its formula, absolute, n = 2, over all supersamples and selectors, B, "
                "A or both trained",
            ),
        ),
        f"{CLEAN} or 2; the bar is ten times the worst of the problems of seeds 0 to 99",
        equation=f"{BOUNDS} (8)",
        test=f"{TESTS}::test_interpolating_risk_is_the_information",
        trial=f"{CHAIN}.chain",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
    ),
)
