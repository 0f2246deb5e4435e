"""A9: what can be certified of one trained adapter, on images."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.generalization.claims.bounds import AT_MOST_ONE, TRAINED
from proxies.families.generalization.claims.images import IMAGES, SOURCES

GUESS = Within(high=0.9)  # what a guess among ten classes gets wrong
CERTIFICATE = "theory.generalization.certificate"
TEST = (
    "tests/theory/generalization/test_certificate.py::"
    "test_pac_bayes_of_a_posterior_made_from_the_sample"
)
TRIAL = "proxies.families.generalization.trials.posterior.certified"

CLAIMS = (
    Claim(
        "A9",
        "A PAC-Bayes-kl or Occam bound that holds with 95 % certifies an adapter of a linear "
        "classifier, trained on 1000 8 x 8 images, to err less than a guess among ten classes.",
        "derived",
        tuple(
            Check(
                f"{source}, {key}",
                GUESS,
                f"{words} on the test error, {images}, mean",
                predicted=predicted,
                scope=scope,
            )
            for source, (images, scope) in SOURCES.items()
            for key, words, predicted in (
                *(
                    (f"PAC-Bayes, {trained}", f"PAC-Bayes-kl bound, {trained} trained", GUESS)
                    for trained in TRAINED.values()
                ),
                ("Occam", "Occam bound of 32 bits a number, B alone trained", Within(low=0.9)),
            )
        ),
        IMAGES,
        equation=f"{CERTIFICATE} (3)",
        test=TEST,
        trial=TRIAL,
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        separates="the bound prices the precision that a number needs, not 32 bits",
    ),
    Claim(
        "A9b",
        "The 95 % certificate of an adapter of a linear classifier, trained on 1000 8 x 8 images, "
        "is below the test error of the classifier before it was adapted.",
        "derived",
        tuple(
            Check(
                f"{source}, {trained}",
                AT_MOST_ONE,
                f"least bound over the test error before adaptation, {trained} trained, {images}, "
                "geometric mean",
                scope=scope,
            )
            for source, (images, scope) in SOURCES.items()
            for trained in TRAINED.values()
        ),
        IMAGES,
        equation=f"{CERTIFICATE} (3)",
        test=TEST,
        trial=TRIAL,
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
        separates="both factors are trained",
    ),
    *(
        Claim(
            id,
            statement,
            "derived",
            tuple(
                Check(
                    source,
                    AT_MOST_ONE,
                    f"{words}, {images}, geometric mean",
                    predicted=AT_MOST_ONE,
                    scope=scope,
                )
                for source, (images, scope) in SOURCES.items()
            ),
            IMAGES,
            equation=f"{CERTIFICATE} (3)",
            test=TEST,
            trial=TRIAL,
            kind=Kind.EFFECT,
            scope=Scope.SMALL,
        )
        for id, statement, words in (
            (
                "A9c",
                "Training B alone on 1000 8 x 8 images leaves the posterior of a linear "
                "classifier's adapter nearer to its prior than training A alone.",
                "KL divergence in nats from the nearest of the three priors, B alone over A alone",
            ),
            (
                "A9d",
                "Training B alone on 1000 8 x 8 images gets a lower 95 % certificate for a linear "
                "classifier's adapter with A of EVA from the 400 images that it was fitted to, "
                "mirrored, than with a random A.",
                "least bound, B alone with A of EVA over B alone with a random orthonormal A",
            ),
        )
    ),
)
