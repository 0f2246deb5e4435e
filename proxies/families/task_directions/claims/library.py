"""The laws that launches and initializations keep, and when a launch happens: T13..T15."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.task_directions.claims.chance import LAWS, PAPER, REFUTED, TRIALS

EXACT = Within(0, 0)
ROUNDING = Within(high=1e-10)
# T13: the results of the trial, their criterion, what they are, and the prediction.
KEPT = {
    "initialization": (EXACT, "change of the function by the initialization", "0"),
    "launch": (EXACT, "change of the function by the launch", "0"),
    "gradient": (ROUNDING, "gradient of a direction's scale against u^T G v", "0"),
    "merged": (ROUNDING, "merged weight against the layer's forward", "0"),
    "exported": (ROUNDING, "adapter exported as plain LoRA against the layer's forward", "0"),
    "rotated": (ROUNDING, "change rates of Q W P under Q D P against those of W under D", "0"),
    "finite": (Within(1, 1), "share of rank-deficient weights with finite change rates", "1"),
}
# T14b: the loop, what it is, the predicted updates before its launch, and the verdict on 100.
LOOPS = {
    "plain": ("plain loop", "100", Verdict.HOLDS),
    "checkpointing": ("gradient checkpointing, which the scripts switch on", "50", REFUTED),
    "accumulation": ("four accumulated parts", "25", REFUTED),
}
TESTS = "tests/proxies/task_directions/test_trials.py"
LAUNCH = {
    "test": f"{TESTS}::test_a_launch_is_by_updates_where_forwards_differ",
    "trial": f"{TRIALS}.steps.launched",
}

CLAIMS = (
    Claim(
        "T13",
        "Initializations and launches leave the function as it is; merging and exporting keep it; "
        "change rates follow the rotation of W.",
        "derived",
        tuple(
            Check(key, criterion, words, predicted=predicted)
            for key, (criterion, words, predicted) in KEPT.items()
        ),
        "relative, float64, LoRA-Dash and LoRA-TSD on random shapes up to 40; singular values i/n",
        equation="theory.task_directions.directions (1)",
        test=f"{TESTS}::test_starts_and_launches_change_nothing",
        trial=f"{TRIALS}.invariants.invariants",
    ),
    Claim(
        "T14",
        "The launch comes after a given number of updates, whatever else calls the layer, and "
        "survives a checkpoint.",
        "derived",
        (
            Check(
                "updates",
                Within(100, 100),
                "updates before the launch: plain, recomputed, accumulated, evaluated",
                predicted="100",
            ),
            Check(
                "directions",
                Within(1, 1),
                "share of loops that launch the directions of the plain loop",
                predicted="1",
            ),
            Check(
                "resumed",
                EXACT,
                "distance of a resumed run from one that was not stopped, before and after the "
                "launch",
                predicted="0",
            ),
        ),
        "the training loop calls lora.launch",
        **LAUNCH,
    ),
    Claim(
        "T14b",
        "The launch comes after 100 training steps.",
        PAPER,
        tuple(
            Check(
                loop,
                Within(100, 100),
                "updates at a layer's 100th forward, the rule of the published code: " + words,
                claimed="100",
                predicted=predicted,
                expected=verdict,
            )
            for loop, (words, predicted, verdict) in LOOPS.items()
        ),
        "the published code counts forward calls",
        **LAUNCH,
    ),
    Claim(
        "T15",
        "In the first step of SGD a direction's own scale moves 3 in/(s^2 r) times as far as LoRA "
        "moves along that direction.",
        "derived",
        tuple(
            Check(
                f"rank {rank}",
                Within(0.9, 1.1),
                f"measured over predicted ratio of the two moves, rank {rank}",
                predicted="1",
            )
            for rank in (4, 16)
        ),
        "layers of lora, mean over 300 draws of the initialization",
        equation="theory.task_directions.learning (4)",
        test=f"{LAWS}::test_a_scale_moves_faster_than_lora_by_the_formula",
        trial=f"{TRIALS}.first_step.speed",
    ),
)
