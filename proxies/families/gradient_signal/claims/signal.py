"""E2: which rows maximise the expected gradient signal of a token, of a batch, in real layers."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.gradient_signal.claims.links import (
    DIGITS,
    EVA,
    TESTS,
    TEXT,
    THEORY,
    TRIAL_TESTS,
    TRIALS,
)

# Of theory.gradient_signal.batch, to which a test holds them: scipy keeps a --help waiting.
STAR = 1.5283876428064653  # censored_threshold()
SHARE = 0.6960842224165006  # censored_share(2.0)
COUNTER_EXAMPLE = "x = (2 z_1, z_2) with z standard normal, g = +-1{|z_2| > c}"
REGRESSION = "regression with S = diag(2, 1), K = diag(0.1, 1), noise 4"

CLAIMS = (
    Claim(
        "E2",
        "With |g|^2 uncorrelated with x x^T, EVA without centring maximises a token's E|dL/dB|^2 "
        "at A A^T = I.",
        EVA,
        (
            Check(
                "signal",
                Within(0.99, 1.01),
                "E|dL/dB|^2 of a sample over E|g|^2 Tr(A M A^T) of the population",
                claimed="1",
                predicted="1",
            ),
            Check(
                "rival",
                Within(high=1),
                "Tr(A M A^T) of the best of 1000 random orthonormal A over EVA's",
                claimed="<= 1",
                predicted="< 1",
            ),
        ),
        "g independent of x, d = 12, k = 5, r = 3, variances 2^-j; the set A A^T = I is needed: "
        "on |A|_F^2 = r the optimum is r copies of one row",
        equation=f"{THEORY}.optimum (3)",
        test=f"{TESTS}/test_optimum.py::test_independence",
        trial=f"{TRIALS}.laws.token_signal",
    ),
    Claim(
        "E2b",
        "Cov(x, g) = 0, the assumption of the published proof, is enough for EVA without centring "
        "to maximise a token's E|dL/dB|^2 at A A^T = I.",
        EVA,
        (
            Check(
                "share",
                Within(low=0.99),
                "EVA's share of the largest signal in a counter-example, c = 2",
                claimed="1",
                predicted=f"{SHARE:.3f}",
                expected=Verdict.REFUTED,
            ),
        ),
        COUNTER_EXAMPLE,
        equation=f"{THEORY}.batch (4)",
        test=f"{TESTS}/test_batch.py::test_sampled_counter_example",
        trial=f"{TRIALS}.laws.censored",
    ),
    Claim(
        "E2c",
        "The counter-example with Cov(x, g) = 0 turns at c* = 1.52839, where EVA's share begins to "
        "fall as 4 T/(T + c phi).",
        "derived",
        (
            Check(
                "threshold",
                Within(STAR - 0.01, STAR + 0.01),
                "c at which the top eigenvector of a sample's Q turns",
                predicted=f"{STAR:.5f}",
            ),
            Check(
                "share",
                Within(0.99 * SHARE, 1.01 * SHARE),
                "EVA's share of the largest signal at c = 2",
                predicted=f"{SHARE:.3f}",
            ),
        ),
        COUNTER_EXAMPLE,
        equation=f"{THEORY}.batch (4)",
        test=f"{TESTS}/test_batch.py::test_threshold",
        trial=f"{TRIALS}.laws.censored",
    ),
    Claim(
        "E2d",
        "Over a batch of n tokens E|dL/dB|^2 is Tr(A M_n A^T) with M_n = Q/n + (1 - 1/n) G^T G: "
        "EVA's optimum gives way to the gradient's singular vectors between n = 7 and n = 8.",
        "derived",
        (
            Check(
                "batch of 7",
                Within(low=1.0001),
                "E|dL/dB|^2 with EVA's row over that with the gradient's vector, n = 7",
                predicted="1.030",
            ),
            Check(
                "batch of 8",
                Within(high=0.9999),
                "E|dL/dB|^2 with EVA's row over that with the gradient's vector, n = 8",
                predicted="0.986",
            ),
            Check(
                "moment",
                Within(high=0.02),
                "relative error of M_n for Gaussian regression, n = 1 and 4",
                predicted="0",
            ),
        ),
        f"{REGRESSION}: n* = 7.667",
        equation=f"{THEORY}.batch (3)",
        test=f"{TESTS}/test_batch.py::test_flip_between_batches_of_7_and_8",
        trial=f"{TRIALS}.laws.batch_flip",
    ),
    Claim(
        "E2e",
        "EVA without centring comes within 5 % of the largest expected gradient signal in real "
        "layers.",
        EVA,
        (
            Check(
                "digits",
                Within(low=0.95),
                f"{DIGITS}: least share over three layers",
                claimed="1",
            ),
            Check(
                "MiniLM",
                Within(low=0.95),
                f"{TEXT}: mean share over eight layers",
                claimed="1",
                expected=Verdict.REFUTED,
            ),
        ),
        "Q from the gradients of a real loss; rank 8, shares of the optimum at A A^T = I",
        equation=f"{THEORY}.optimum (4)",
        test=f"{TRIAL_TESTS}/test_networks.py::test_the_shares_of_real_layers",
        trial=f"{TRIALS}.networks.digits_layers",
    ),
    Claim(
        "E2f",
        "The top eigenvectors of Q = E[|g|^2 x x^T] reach the largest expected gradient signal of "
        "a token in every real layer.",
        "derived",
        (
            Check(
                "digits",
                Within(low=1 - 1e-6),
                f"{DIGITS}: least share over three layers",
                predicted="1",
            ),
            Check(
                "MiniLM",
                Within(low=1 - 1e-6),
                f"{TEXT}: least share over eight layers",
                predicted="1",
            ),
        ),
        "the scheme gradient_signal; Q from the gradients of a real loss; rank 8, shares of the "
        "optimum at A A^T = I",
        equation=f"{THEORY}.optimum (2)",
        test=f"{TESTS}/test_optimum.py::test_optimum",
        trial=f"{TRIALS}.networks.digits_layers",
    ),
)
