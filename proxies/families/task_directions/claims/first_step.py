"""What one step of descent does: T6 and T15."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.task_directions.claims.chance import TRIALS
from proxies.families.task_directions.claims.directions import LAWS

CLAIMS = (
    Claim(
        "T6",
        "Over draws of A, the change of W by LoRA's first step from B = 0 along core direction i "
        "has the signal-to-noise ratio sqrt(r) |G_ii| / sqrt(|w|^2 + G_ii^2 + (kappa - 3) sum_j "
        "v_ij^2 w_j^2), w = G^T u_i, G the gradient in W, kappa the kurtosis of A's entries.",
        "derived",
        (
            Check(
                "ratio",
                Within(0.98, 1.02),
                "measured over predicted signal-to-noise ratio (a Gaussian A, kappa = 3, would "
                "have it 5 % lower)",
                predicted=at(1),
            ),
            Check(
                "mean",
                Within(0.98, 1.02),
                "measured over predicted mean, -s^2 r G_ii / (3 in)",
                predicted=at(1),
            ),
        ),
        "W of 16 x 16 standard normal entries; G of such entries with 6 more on one core direction "
        "i, drawn for each seed; A uniform (Kaiming, a = sqrt 5: kappa 1.8), 6000 draws; ranks 2, "
        "4 and 16, of which a seed gives the mean",
        equation="theory.task_directions.learning (3)",
        test=f"{LAWS}::test_the_first_step_is_a_sketch_of_the_gradient",
        trial=f"{TRIALS}.first_step.identified",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "T15",
        "In the first step of SGD at one learning rate the scale of a core direction moves 3 in / "
        "(s^2 r) times as far as LoRA of scale s moves on average along that direction.",
        "derived",
        tuple(
            Check(
                f"rank {rank}",
                Within(0.95, 1.05),
                f"measured over predicted ratio of the two moves, rank {rank}",
                predicted=at(1),
            )
            for rank in (4, 16)
        ),
        "a layer of 64 x 64 standard normal entries, its gradient of such entries with 20 more on "
        "one core direction; s = 2; A uniform (Kaiming, a = sqrt 5), B = 0, d = 0; each seed draws "
        "weight and gradient and takes the mean over 500 draws of A",
        equation="theory.task_directions.learning (4)",
        test=f"{LAWS}::test_a_scale_moves_faster_than_lora_by_the_formula",
        trial=f"{TRIALS}.first_step.speed",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
)
