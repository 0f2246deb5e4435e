"""E3 to E5: what centring costs, what EVA's rows are best for, how large they are, and that order
does not matter."""

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

CLAIMS = (
    Claim(
        "E3",
        "What centring costs EVA in Tr(A M A^T) lies between max(0, |(I - P) mu|^2 - lambda_r) and "
        "|(I - P) mu|^2.",
        "derived",
        (
            Check(
                "random cases",
                Within(high=0),
                "random problems outside either bound, of 1000 at the least",
                predicted="0",
            ),
            Check("real layers", Within(high=0), "real layers outside either bound", predicted="0"),
        ),
        "random spectra, means up to three standard deviations, 2 to 15 inputs, every rank",
        equation=f"{THEORY}.optimum (5)",
        test=f"{TESTS}/test_optimum.py::test_law",
        trial=f"{TRIALS}.laws.centring",
    ),
    Claim(
        "E3b",
        "EVA centred as in the released code still captures 95 % of the largest Tr(A M A^T), which "
        "its theorem is about.",
        EVA,
        (
            Check(
                "digits",
                Within(low=0.95),
                f"{DIGITS}: least share over three layers",
                claimed="1",
                expected=Verdict.REFUTED,
            ),
            Check(
                "MiniLM",
                Within(low=0.95),
                f"{TEXT}: mean share over eight layers",
                claimed="1",
                expected=Verdict.REFUTED,
            ),
        ),
        "rank 8",
        equation=f"{THEORY}.optimum (5)",
        test=f"{TRIAL_TESTS}/test_networks.py::test_the_shares_of_real_layers",
        trial=f"{TRIALS}.networks.digits_layers",
    ),
    Claim(
        "E3c",
        "EVA without centring is the best frozen A: it has the least risk under an isotropic prior "
        "and the nearest rank-r kernel.",
        "derived",
        (
            Check(
                "risk",
                Within(0.98, 1.02),
                "EVA's risk over 2000 targets, over kappa times the eigenvalues left out",
                predicted="1",
            ),
            Check(
                "rival",
                Within(low=1),
                "least risk of 1000 random orthonormal A over EVA's",
                predicted="> 1",
            ),
            Check(
                "kernel",
                Within(high=1e-10),
                "relative distance of EVA's kernel from the truncated one",
                predicted="0",
            ),
        ),
        "d = 12, k = 5, r = 3; the risk is of the best B, so that lengths of rows do not matter",
        equation=f"{THEORY}.risk (2)",
        test=f"{TESTS}/test_risk.py::test_law",
        trial=f"{TRIALS}.laws.kernel_and_risk",
    ),
    Claim(
        "E4",
        "EVA's E|Ax|^2 is 3 (d/r) EVR_r times that of the default initialization: 3 by length, the "
        "rest by direction.",
        "derived",
        (
            Check(
                "ratio",
                Within(0.95, 1.05),
                "mean E|Ax|^2 of the default initialization over EVA's / (3 (d/r) EVR_r)",
                predicted="1",
            ),
        ),
        "200 draws per seed, 256 inputs, rank 8, variances j^-1",
        equation=f"{THEORY}.optimum (7)",
        test=f"{TESTS}/test_optimum.py::test_default_start",
        trial=f"{TRIALS}.laws.amplification",
    ),
    Claim(
        "E5",
        "Neither the order of the batches nor their split over four processes changes EVA's "
        "initialization.",
        "derived",
        (
            Check(
                "order",
                Within(high=1e-5),
                "change of the projector A^T A by another order of the batches",
                predicted="0",
            ),
            Check(
                "shards",
                Within(high=1e-5),
                "change of the projector A^T A by a split into four shards",
                predicted="0",
            ),
        ),
        "float32 inputs of width 128, rank 16",
        test=f"{TRIAL_TESTS}/test_laws.py::test_a_faulty_scheme_changes_the_verdict",
        trial=f"{TRIALS}.laws.order_and_shards",
    ),
)
