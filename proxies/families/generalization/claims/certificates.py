"""A9: what can be certified of one trained adapter, on images."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.generalization.claims.bounds import AT_MOST_ONE, TRAINED

GUESS = Within(high=0.9)  # what a guess among ten classes gets wrong
CERTIFICATE = "theory.generalization.certificate"
TEST = (
    "tests/theory/generalization/test_certificate.py::"
    "test_pac_bayes_of_a_posterior_made_from_the_sample"
)
TRIAL = "proxies.families.generalization.trials.posterior.certified"
SOURCES = {
    "digits": ("scikit-learn's 8 x 8 digits", Scope.SMALL),
    "drawn images": ("drawn 8 x 8 images", Scope.SIMULATION),
}
IMAGES = (
    "64 -> 10 linear classifier with bias, cross-entropy with a penalty of 1e-3 |W|^2 minimised by "
    "L-BFGS on 400 images; adapted to 1000 others mirrored left to right, rank 4, s = 1: B alone "
    "(B = 0, A with uniform orthonormal rows), A alone (A = 0, B uniform in [-1/2, 1/2]) or both "
    "(B = 0, A with uniform orthonormal rows); a Gaussian posterior around the trained numbers, "
    "its means and its deviations (0.1 at first) trained by Adam (learning rate 0.05 to 0 by a "
    "cosine, betas 0.9 and 0.999, eps 1e-8, no weight decay), 600 full batches, on the "
    "cross-entropy of one draw over ln 10 plus sqrt((KL + ln(2 sqrt(n)/delta))/(2n)); bounds on "
    "the 0-1 test error by kl_inverse that hold together with 95 %, delta = 0.05 over eight "
    "candidates: PAC-Bayes-kl with priors of deviation 0.3, 1 and 3 around the initialization, "
    "training error from 400 draws, and Occam for the means in 32 bits a number and on grids of 4 "
    "and 8 bits up to 3 and 6. Digits: scikit-learn's 1797, split anew for each seed, intervals "
    "corrected for what splits share. Drawn images: a uniform label and a normal image with the "
    "mean and covariance of that digit, 2000 to test, new ones for each seed"
)

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
