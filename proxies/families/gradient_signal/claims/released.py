"""E6 and E8: the library's EVA beside PEFT's, and how ranks are shared out."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.gradient_signal.claims.links import EVA, TESTS, THEORY, TRIAL_TESTS, TRIALS

BESIDE = f"{TRIAL_TESTS}/test_released.py"
LLAMA = (
    "two-layer Llama of width 64 (inner 160, 4 heads, 2 key-value heads, 512 tokens in the "
    "vocabulary) with random weights, all seven kinds of linear layers, on Markov text"
)
ONE_BATCH = f"{LLAMA}; one batch of 16 x 64 tokens, given twice; rank 8, ranks moved between layers"
PEFT = "PEFT 0.21"

CLAIMS = (
    Claim(
        "E6",
        f"Where it keeps all components (rho = 8), {PEFT}'s EVA gives the rows and the ranks that "
        "the library gives on the same tokens of a random two-layer Llama.",
        "derived",
        (
            Check(
                "distance",
                Within(high=1e-4),
                "largest spectral norm over layers of the difference of the projectors A^T A; at "
                "most ten times the rounding seen in exploration",
            ),
            Check(
                "ranks",
                Within(high=0),
                "ranks given to other layers, layers of one input counted together",
                predicted=at(0),
            ),
        ),
        ONE_BATCH,
        test=f"{BESIDE}::test_peft_gives_the_same_rows_and_ranks_where_it_keeps_all_components",
        trial=f"{TRIALS}.released.parity",
        kind=Kind.IDENTITY,
        scope=Scope.RELEASED,
    ),
    Claim(
        "E6b",
        f"The library's EVA captures more variance of unseen tokens than {PEFT}'s at its default "
        "options, in no layer less, in a random two-layer Llama.",
        "derived",
        (
            Check(
                "mean",
                Within(low=1),
                "variance captured by the library's rows over that by PEFT's, mean over layers",
                predicted=Within(low=1),
            ),
            Check(
                "least layer",
                Within(low=1),
                "variance captured by the library's rows over that by PEFT's, least layer",
                predicted=Within(low=1),
            ),
        ),
        f"{LLAMA}; 48 batches of 4 x 64 tokens, of which PEFT reads as many as its rule wants (rho "
        "= 2, tau = 0.99) and the library all; rank 8, at the ranks that PEFT gives; captured on "
        "48 other batches",
        test=f"{BESIDE}::test_unseen_tokens_vary_more_along_the_librarys_rows",
        trial=f"{TRIALS}.released.held_out",
        scope=Scope.RELEASED,
        kind=Kind.EFFECT,
    ),
    Claim(
        "E6c",
        f"At its default rho = 2, {PEFT}'s EVA gives other rows than the exact eigenvectors of the "
        "same tokens, in a random two-layer Llama.",
        "derived",
        (
            Check(
                "distance",
                Within(low=1e-3),
                "largest spectral norm over layers of the difference of the projectors A^T A",
                predicted=Within(low=1e-3),
            ),
        ),
        f"{ONE_BATCH}; PEFT's randomised decomposition keeps 2 rho r columns",
        test=f"{BESIDE}::test_peft_gives_the_same_rows_and_ranks_where_it_keeps_all_components",
        trial=f"{TRIALS}.released.parity",
        scope=Scope.RELEASED,
        kind=Kind.EFFECT,
    ),
    Claim(
        "E8b",
        f"{PEFT}'s EVA changes rank-stabilised scales when it moves ranks, whitens rows of shared "
        "inputs more than once, gives layers rows of another width after a masked first batch, and "
        "does not end at tau = 1.",
        "derived",
        (
            Check(
                "scale",
                Within(low=1.001),
                "largest rank-stabilised scale s over the one asked for, rho = 2, tau = 0",
                predicted=Within(low=1.001),
            ),
            Check(
                "whitened",
                Within(high=0.9),
                "norm of a whitened row of q over that of one whitened once, as in o; rho = 1, tau "
                "= 0, rank 4",
                predicted=Within(high=0.9),
            ),
            Check(
                "wrong width",
                Within(low=1),
                "layers given rows of another width after a first batch without a token that "
                "counts; rho = 1, tau = 0, rank 4",
                predicted=Within(low=1),
            ),
            Check(
                "forwards",
                Within(low=301),
                "forward passes asked for at tau = 1, cut off after 300; rho = 1, rank 4, 16 "
                "batches",
                predicted=Within(low=301),
            ),
        ),
        f"{LLAMA}; batches of 4 x 64 tokens",
        test=f"{BESIDE}::test_peft_has_its_four_defects",
        trial=f"{TRIALS}.defects.peft_defects",
        kind=Kind.LAW,
        scope=Scope.RELEASED,
    ),
    Claim(
        "E8c",
        "Ranks by explained variance maximise the gradient signal under a budget of ranks.",
        EVA,
        (
            Check(
                "explained variance",
                Within(low=1),
                "sum over layers of E|dL/dB|^2 with ranks by explained variance, over the "
                "largest; two layers of one E|g|^2 with variances (10, 9, 0.1) and (1, 0.1, 0.01), "
                "two ranks",
                claimed="1",
                predicted=at(11 / 19),
            ),
        ),
        "a constructed counter-example: explained variance takes one rank of each layer, 10 + 1, "
        "the largest signal is 10 + 9",
        equation=f"{THEORY}.budget (3)",
        test=f"{TESTS}/test_budget.py::test_explained_variance_can_miss_any_part_of_the_signal",
        trial=f"{TRIALS}.laws.allocation",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        where="abstract, equation 6",
        universal=True,
    ),
)
