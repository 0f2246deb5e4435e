"""What predicts the directions that fine-tuning changes, and how LoRA finds them: T5..T9."""

from loralab.claims import Check, Claim, Within
from proxies.families.task_directions.claims.chance import LAWS, PAPER, REFUTED, TRIALS

SIZES = {"accuracy": "8 in 16", "recall": "4 in 8", "equal sizes": "8 in 8"}  # of T5's overlaps
# T9: where directions are planted, and what dividing by sigma costs there.
PLANTED = {
    "random": ("at random", Within(low=0.02), "> 0"),
    "top": ("at the top", Within(low=0.25), "> 0"),
    "middle": ("in the middle", Within(low=0.1), "> 0"),
    "bottom": ("at the bottom", Within(high=-0.05), "< 0"),
}
DIGITS = "full fine-tuning on digits"
NULL = {
    "equation": "theory.task_directions.null (2)",
    "test": f"{LAWS}::test_an_overlap_comes_with_its_null",
    "trial": f"{TRIALS}.predictions.predicted",
}
SKETCH = f"{LAWS}::test_the_first_step_is_a_sketch_of_the_gradient"
RECALL = f"{TRIALS}.recall.recall"

CLAIMS = (
    Claim(
        "T5",
        "The change rates that LoRA has reached after 100 steps predict which directions full "
        "fine-tuning changes most.",
        PAPER,
        (
            *(
                Check(
                    name,
                    Within(low=0.5),
                    f"lift over the Haar null of LoRA's change rates after 100 steps, {name} "
                    f"({sizes}), {DIGITS}",
                    claimed="near 1",
                    expected=REFUTED,
                )
                for name, sizes in SIZES.items()
            ),
            Check(
                "beyond a rotated copy",
                Within(low=0.1),
                "overlap of LoRA's change rates after 100 steps minus that of the true change "
                f"rotated, 8 in 16, {DIGITS}",
                claimed="> 0",
                expected=REFUTED,
            ),
        ),
        "a lift is 0 at chance and 1 at agreement; digits, square layer of a 64-128-128-10 "
        "network, rank 4, six tasks a network. The null rotates the true change: accuracy is a "
        "little above it, the other two are not. A rotated copy in LoRA's place, whose "
        "coordinates are of equal size, predicts as well as LoRA. Before a first inspection of "
        "results this was a sentence of ours, a lift of at most 0.2, which the first of the three "
        "exceeds",
        **NULL,
    ),
    Claim(
        "T5b",
        "Without the division by sigma both LoRA and one gradient predict the directions that full "
        "fine-tuning changes most.",
        "derived",
        (
            Check(
                "LoRA",
                Within(low=0.4),
                f"lift over the Haar null by size, 8 in 16, LoRA after 100 steps, {DIGITS}",
                predicted="near 1",
            ),
            Check(
                "gradient, accuracy",
                Within(low=0.6),
                "lift over the Haar null by size, 8 in 16, gradient at the pretrained weights, "
                f"{DIGITS}",
                predicted="near 1",
            ),
            Check(
                "gradient, recall",
                Within(low=0.6),
                "lift over the Haar null by size, 4 in 8, gradient at the pretrained weights, "
                f"{DIGITS}",
                predicted="near 1",
            ),
        ),
        "as T5; the criterion for LoRA was 0.6 before a first inspection of results",
        **NULL,
    ),
    Claim(
        "T5c",
        "The directions that fine-tuning changes most are those of the task.",
        PAPER,
        (
            Check(
                "by size",
                Within(high=0.3),
                "lift of the overlap of two tasks of one network by size, 8 in 16, digits",
                claimed="below chance",
                expected=REFUTED,
            ),
            Check(
                "by rate",
                Within(high=-0.1),
                "overlap of two tasks of one network by change rate minus its null, 8 in 16, "
                "digits",
                claimed="below chance",
                expected=REFUTED,
            ),
        ),
        "as T5: by size the directions are mostly shared by tasks, by change rate two tasks differ "
        "as unrelated changes do",
        **NULL,
    ),
    Claim(
        "T5d",
        "Core directions are what a change of W acts on.",
        PAPER,
        (
            Check(
                "share",
                Within(low=0.5),
                f"share of |dW|^2 on the core directions, phi, {DIGITS}",
                claimed="1",
                expected=REFUTED,
            ),
            Check(
                "beyond chance",
                Within(low=1 / 128),
                "share of |dW|^2 on the core directions, phi, against the 1/128 of a Haar-rotated "
                f"change, {DIGITS}",
                claimed="> 1/128",
            ),
        ),
        "as T5; the paper's argument that W has only n values to change",
        equation="theory.task_directions.directions (2)",
        test=f"{LAWS}::test_a_rotated_change_has_lost_its_place_and_kept_its_size",
        trial=f"{TRIALS}.predictions.predicted",
    ),
    Claim(
        "T6",
        "After one step from B = 0 LoRA tells direction i from noise with SNR_i = sqrt(r) |G_ii| "
        "/ sqrt(|G^T u_i|^2 + G_ii^2 + (kappa - 3) sum_j v_ij^2 (G^T u_i)_j^2).",
        "derived",
        (
            Check(
                "ratio",
                Within(0.97, 1.03),
                "measured over predicted signal-to-noise ratio, rank 2, 8 and 32",
                predicted="1",
            ),
            Check(
                "mean",
                Within(0.97, 1.03),
                "mean of the coordinate over the predicted one, rank 2, 8 and 32",
                predicted="1",
            ),
            Check(
                "slope",
                Within(0.47, 0.53),
                "slope of the log of the signal-to-noise ratio against log rank",
                predicted="1/2",
            ),
        ),
        "default initialization, 20000 draws, size 64, G_ii = 6 + a standard normal beside "
        "standard normal others",
        equation="theory.task_directions.learning (3)",
        test=SKETCH,
        trial=f"{TRIALS}.first_step.identified",
    ),
    Claim(
        "T7",
        "LoRA's change after 100 steps carries the directions that the task lies on.",
        PAPER,
        (
            Check(
                "recall",
                Within(low=0.8),
                "recall of 8 planted of 64 directions by change rate, rank 8, 100 steps",
                claimed="near 1",
            ),
            Check(
                "gain of steps",
                Within(low=0.2),
                "recall by change rate after 100 steps minus that after one, rank 8",
                claimed="> 0",
            ),
            Check(
                "gain over rank 2",
                Within(low=0.03),
                "recall by change rate at rank 8 minus that at rank 2, 100 steps",
                claimed="> 0",
            ),
            Check(
                "gain of rank 32",
                Within(low=0.01),
                "recall by change rate at rank 32 minus that at rank 8, 100 steps",
                claimed="> 0",
            ),
            Check(
                "null",
                Within(high=0.2),
                "null: recall by change rate of the Haar-rotated true change",
                predicted="1/8",
            ),
        ),
        "planted directions at random places, change rates 1; before a first inspection of results "
        "the criteria for gains and null were 0.05 and 0.15, and one step had a criterion of its "
        "own, a recall of at most 0.55",
        equation="theory.task_directions.learning (3)",
        test=SKETCH,
        trial=RECALL,
    ),
    Claim(
        "T8",
        "One gradient finds the task's directions at least as well as 100 steps of LoRA.",
        "derived",
        (
            Check(
                "gradient",
                Within(low=0.9),
                "recall of 8 planted of 64 directions by size, one gradient of 512 samples",
                predicted="1",
            ),
            Check(
                "against LoRA",
                Within(low=-0.05),
                "recall by change rate, one gradient minus LoRA after 100 steps, rank 8",
                predicted=">= 0",
            ),
        ),
        "as T7; the criteria were 0.95 and -0.02 before a first inspection of results",
        equation="theory.task_directions.learning (3)",
        test=SKETCH,
        trial=RECALL,
    ),
    Claim(
        "T9",
        "Early on dividing by sigma lowers the recall of the task's directions, unless they are at "
        "the bottom of the spectrum.",
        "derived",
        (
            *(
                Check(
                    case,
                    criterion,
                    f"recall by size minus recall by change rate after 10 steps, planted {where}",
                    predicted=predicted,
                )
                for case, (where, criterion, predicted) in PLANTED.items()
            ),
            Check(
                "null",
                Within(0.6, 0.75),
                "chance: recall by change rate of the Haar-rotated true change, planted at the "
                "bottom",
                predicted="0.68",
            ),
        ),
        "rank 8; the criteria were one of 0.15 before a first inspection of results",
        equation="theory.task_directions.directions (1)",
        test="tests/proxies/task_directions/test_trials.py::test_recall_is_perfect_for_the_oracle"
        "_of_a_clear_plan_and_low_for_what_knows_nothing",
        trial=RECALL,
    ),
)
