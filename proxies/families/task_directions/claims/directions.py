"""What predicts the directions that full fine-tuning changes in a small network: T5..T5d."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.task_directions.claims.chance import PAPER, TRIALS

SIZES = {"accuracy": "8 in 16", "recall": "4 in 8"}  # of T5's overlaps
POOLS = {
    "clusters": "networks on newly drawn clusters",
    "disjoint digits": "networks on disjoint twelfths of scikit-learn's digits",
}
LAWS = "tests/theory/task_directions/test_laws.py"
NETWORKS = (
    "networks 64-128-128-10 with ReLU and biases, He's normal initialization, pretrained for 600 "
    "steps of Adam (learning rate 1e-3, betas .9, .999, eps 1e-8, no weight decay, batches of 64 "
    "with replacement) on cross-entropy; data: either 1200 examples of a data set that is drawn "
    "for each network, 30 Gaussian clusters of unit variance in 64 dimensions, whose centres have "
    "independent coordinates of standard deviation 0.7, three clusters a class, all times 0.4; or "
    "149 of the 8 x 8 digits, pixels from -0.3 to 0.7, each network another disjoint part"
)
TASKS = (
    f"{NETWORKS}; four tasks a network: labels permuted at random (twice), inputs turned (twice: "
    "by a random orthogonal matrix, digits by 90 and 180 degrees); full fine-tuning trains every "
    "weight for 400 more such steps on the task; looked at is the middle 128 x 128 layer: change "
    "rates |u_i^T dW v_i| / sigma_i of its change, or sizes |u_i^T dW v_i| where that is said; "
    "LoRA there alone, rank 4, alpha 8, A uniform (Kaiming, a = sqrt 5), B = 0, AdamW at 2e-3 "
    "without weight decay, 100 steps of 64"
)
LIFT = (
    "lift: (overlap - null) / (1 - null), the null being the mean overlap with 30 Haar-rotated "
    "copies of the true change; mean of the tasks of a network"
)
NULL = {
    "equation": "theory.task_directions.null (2)",
    "test": f"{LAWS}::test_an_overlap_comes_with_its_null",
    "trial": f"{TRIALS}.predictions.predicted",
    "kind": Kind.EFFECT,
    "scope": Scope.SMALL,
}

CLAIMS = (
    Claim(
        "T5",
        "The change rates that LoRA has reached after 100 steps predict which core directions full "
        "fine-tuning changes most, better than chance, in the 128 x 128 layer of a small ReLU "
        "network.",
        PAPER,
        (
            *(
                Check(
                    f"{name}, {pool}",
                    Within(low=0),
                    f"lift of LoRA's change rates, {name} ({sizes}), {words}",
                    claimed="above chance",
                )
                for name, sizes in SIZES.items()
                for pool, words in POOLS.items()
            ),
            *(
                Check(
                    f"beyond {name}, {pool}",
                    Within(low=0),
                    "overlap (8 in 16) of LoRA's change rates with full fine-tuning's minus that "
                    f"of {what}, {words}",
                    ours=True,
                )
                for name, what in (
                    ("another task", "LoRA on another task of the network"),
                    ("a rotated copy", "a Haar-rotated copy of full fine-tuning's change itself"),
                )
                for pool, words in POOLS.items()
            ),
        ),
        f"{TASKS}; {LIFT}; accuracy: LoRA's 8 largest among full fine-tuning's 16 largest; recall: "
        "full fine-tuning's 4 largest among LoRA's 8. The paper's figures are of LLaMA-7B, without "
        "a null",
        **NULL,
        where="section 3 (directions are found early by LoRA)",
        covers=False,
    ),
    Claim(
        "T5b",
        "Ranked by size |u_i^T dW v_i| instead of by change rate, the directions of LoRA's change "
        "after 100 steps and of one gradient predict better which ones full fine-tuning changes "
        "most by the same score, in the 128 x 128 layer of a small ReLU network.",
        "derived",
        tuple(
            Check(
                f"{name}, {pool}",
                Within(low=0),
                f"lift by size minus lift by change rate, 8 in 16, {what}, {words}",
            )
            for name, what in (
                ("LoRA", "LoRA after 100 steps"),
                ("gradient", "loss gradient over all training examples at the pretrained weights"),
            )
            for pool, words in POOLS.items()
        ),
        f"{TASKS}; {LIFT}",
        **NULL,
    ),
    Claim(
        "T5c",
        "The core directions that full fine-tuning changes most are specific to the task: two runs "
        "on one task share more of them than runs on two tasks, in the 128 x 128 layer of a small "
        "ReLU network.",
        PAPER,
        tuple(
            Check(
                f"{name}, {pool}",
                Within(low=0),
                f"overlap (8 in 16) {what} of two runs on one task, other batches, minus that of "
                f"two tasks, {words}",
                claimed="> 0" if score == "rate" else "",
                ours=score != "rate",
            )
            for score, name, what in (
                ("rate", "by rate", "by change rate"),
                ("abs", "by size", "by size"),
            )
            for pool, words in POOLS.items()
        ),
        f"{TASKS}. The paper compares subjects of SDXL, without two runs on one",
        **NULL,
        where="section 3 (task-specific directions differ between tasks)",
        covers=False,
    ),
    Claim(
        "T5d",
        "A change of a weight can change its n core coordinates only: all of |dW|^2 is on core "
        "directions.",
        PAPER,
        tuple(
            Check(
                pool,
                Within(low=0.99),
                "share of |dW|^2 on the core directions of the layer, full fine-tuning (a "
                f"Haar-rotated change has 1/128 on average), {words}",
                claimed="1",
            )
            for pool, words in POOLS.items()
        ),
        f"{TASKS}",
        equation="theory.task_directions.directions (2)",
        test=f"{LAWS}::test_a_rotated_change_has_lost_its_place_and_kept_its_size",
        trial=f"{TRIALS}.predictions.predicted",
        kind=Kind.LAW,
        scope=Scope.SMALL,
        where="section 3 (why core directions alone are looked at)",
        universal=True,
    ),
)
