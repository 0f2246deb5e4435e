"""Which source finds planted directions: T7..T9."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.task_directions.claims.chance import PAPER, TRIALS
from proxies.families.task_directions.claims.directions import LAWS

# T9: where directions are planted, and the sign of what dividing by sigma costs there.
PLANTED = {
    "random": ("at random", Within(low=0)),
    "top": ("at the 8 largest singular values", Within(low=0)),
    "middle": ("at the 8 middle singular values", Within(low=0)),
    "bottom": ("at the 8 smallest singular values", Within(high=0)),
}
PROBLEM = (
    "regression y = (W + D) x + 0.1 noise, all standard normal, x in 64 dimensions; W = U "
    "diag(sigma) V^T with Haar-distributed U and V and sigma_i = (65 - i)/64; D = U (C + O) V^T, C "
    "diagonal with C_ii = +-sigma_i (signs at random) on the 8 planted core directions, O of "
    "independent normal entries with |O| = |C|/2 in the mean square"
)
FOUND = (
    f"{PROBLEM}; LoRA: alpha = 2 r, A uniform (Kaiming, a = sqrt 5), B = 0, AdamW (betas .9, .999, "
    "eps 1e-8, no weight decay) at the constant learning rate 2e-3, batches of 64 new inputs, loss "
    "half the squared error summed over outputs; recall: the share of the 8 planted directions "
    "among the 8 of highest score, a change rate |u_i^T dW v_i| / sigma_i, or the size |u_i^T dW "
    "v_i|; 40 problems"
)
GIVEN = {
    "trial": f"{TRIALS}.recall.recall",
    "kind": Kind.EFFECT,
    "scope": Scope.SIMULATION,
}
SKETCH = {
    "equation": "theory.task_directions.learning (3)",
    "test": f"{LAWS}::test_the_first_step_is_a_sketch_of_the_gradient",
}
EARLY = {
    "equation": "theory.task_directions.early (2)",
    "test": "tests/theory/task_directions/test_early.py::"
    "test_white_inputs_show_every_change_in_its_order_from_the_first_step_on",
}

CLAIMS = (
    Claim(
        "T7",
        "LoRA's change rates after 100 steps show the core directions that a planted 64 x 64 "
        "regression lies on better than chance, at rank 2, 8 and 32.",
        PAPER,
        tuple(
            Check(
                f"rank {rank}",
                Within(low=0),
                "recall by change rate of LoRA after 100 steps minus that of Haar-rotated copies "
                f"of D (mean of 50), rank {rank}, planted at random",
                claimed="above chance, at every rank",
                predicted=Within(low=0),
            )
            for rank in (2, 8, 32)
        ),
        FOUND,
        **EARLY,
        **GIVEN,
        where="section 3 (directions are found early by LoRA, whatever the rank)",
        covers=False,
    ),
    Claim(
        "T7b",
        "LoRA finds more of the core directions that a planted 64 x 64 regression lies on within "
        "100 steps the higher its rank: 2, 8, 32.",
        "derived",
        tuple(
            Check(
                f"rank {more} over {less}",
                Within(low=0),
                f"recall by change rate after 100 steps at rank {more} minus that at rank {less}, "
                "planted at random, paired by problem",
                predicted=Within(low=0),
            )
            for less, more in ((2, 8), (8, 32))
        ),
        f"{FOUND}; predicted is the sign alone, from the signal-to-noise ratio of one step, which "
        "grows like sqrt(r)",
        **SKETCH,
        **GIVEN,
    ),
    Claim(
        "T8",
        "One gradient over 512 samples finds the core directions that a planted 64 x 64 regression "
        "lies on at least as well as 100 steps of LoRA of rank 8 over 6400 samples.",
        "derived",
        tuple(
            Check(
                key,
                Within(low=0),
                f"recall {words} of one gradient at W over 8 batches of 64 minus that of LoRA "
                "after 100 steps, rank 8, planted at random, paired by problem",
                predicted=Within(low=0),
            )
            for key, words in (("by rate", "by change rate"), ("by size", "by size"))
        ),
        f"{FOUND}; predicted for white inputs and enough samples",
        **EARLY,
        **GIVEN,
    ),
    Claim(
        "T9",
        "After 10 steps of LoRA of rank 8, dividing by sigma lowers the recall of the core "
        "directions that a planted 64 x 64 regression lies on, except where these are the 8 "
        "smallest, where it raises it.",
        "derived",
        tuple(
            Check(
                case,
                criterion,
                "recall by size minus recall by change rate after 10 steps, rank 8, planted "
                f"{where}, paired by problem",
                predicted=criterion,
            )
            for case, (where, criterion) in PLANTED.items()
        ),
        f"{FOUND}; predicted is the sign: the noise of a coordinate, one for all, is divided by "
        "sigma too",
        **SKETCH,
        **GIVEN,
    ),
)
