"""What adapters keep in memory, and whether names mean what they say."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.asymmetry.claims.explained import PAPER, TRIALS

TESTS = "tests/proxies/asymmetry"

CLAIMS = (
    Claim(
        "A12",
        "A frozen A saves activation memory: r numbers a token of a layer are saved for backward "
        "in place of in + r.",
        "2308.03303",
        (
            Check(
                "both trained",
                Within(0, 0),
                "bytes a token saved for backward beyond 4 (in + r), both factors trained, float32",
                claimed="0",
                predicted="0",
            ),
            Check(
                "B trained",
                Within(0, 0),
                "bytes a token saved for backward beyond 4 r, B trained, float32",
                claimed="0",
                predicted="0",
            ),
            Check(
                "block",
                Within(0, 0),
                "bytes a token of a transformer block that freezing A saves, beyond "
                "4 (2 d + d_ff), float32",
                predicted="0",
            ),
            Check(
                "dropout",
                Within(0, 0),
                "bytes a token saved for backward beyond 4 r, B trained, dropout on the branch's "
                "input, float32",
                claimed="0",
                predicted=">= 4 in, the mask of the dropout",
                expected=Verdict.REFUTED,
            ),
        ),
        "counted by saved-tensor hooks; q, k, v share one input, gate and up another, and "
        "attention saves o's anyway",
        equation="theory.asymmetry.descent (1)",
        test=f"{TESTS}/test_memory.py::"
        "test_a_layer_keeps_r_numbers_a_token_and_its_input_only_while_a_trains",
        trial=f"{TRIALS}.memory.one_layer",
    ),
    Claim(
        "A13",
        "A factor is what its name says: frozen or trained, orthonormal, singular.",
        "derived",
        (
            Check(
                "frozen",
                Within(0, 0),
                "distance that a frozen factor moves in ten steps",
                predicted="0",
            ),
            Check(
                "trained",
                Within(low=1e-3),
                "distance that a trained factor moves in ten steps",
                predicted="> 0",
            ),
            Check(
                "PiSSA",
                Within(1 - 1e-5, 1 + 1e-5),
                "overlap of PiSSA's A with the top right singular space",
                predicted="1",
            ),
            Check(
                "orthogonal",
                Within(high=1e-5),
                "largest entry of A A^T - 1, orthogonal initialization",
                predicted="0",
            ),
            Check(
                "default",
                Within(0.98 / 3**0.5, 1.02 / 3**0.5),
                "row length of the default initialization of A",
                predicted="1/sqrt(3)",
            ),
        ),
        "lora.Config's typed train_a, train_b and scheme",
        test=f"{TESTS}/test_trials.py::test_what_is_frozen_rests_and_what_is_trained_moves",
        trial=f"{TRIALS}.factors.spaces",
    ),
    Claim(
        "A13b",
        "The paper's released code trains and initializes what its names say.",
        PAPER,
        (
            Check(
                "singular",
                Within(low=0.99),
                "overlap of the released initialization V with the top right singular space",
                claimed="1",
                predicted="r/d, chance",
                expected=Verdict.REFUTED,
            ),
            Check(
                "trained",
                Within(low=1e-3),
                "distance that B moves in ten steps under A_rand_hB_zero, a name in the README",
                claimed="> 0",
                predicted="0",
                expected=Verdict.REFUTED,
            ),
        ),
        "columns of torch's third SVD factor, which is V^T; names are read by position, B first",
        test=f"{TESTS}/test_trials.py::test_names_by_position_are_not_what_they_say",
        trial=f"{TRIALS}.factors.spaces",
    ),
)
