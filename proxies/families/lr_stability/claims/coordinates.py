"""L13, L13b and L13c: the exponents inside a transformer."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.lr_stability.claims.checks import SEE, TRIALS

CLOSE = 0.15
NEAR = Within(-CLOSE, CLOSE)
HALF = Within(0.5 - CLOSE, 0.5 + CLOSE)
NO_MORE = Within(high=CLOSE)
FIVE = "Z_A, Z_B, delta1, delta2, delta3"
MODEL = (
    "a Llama of two blocks with random weights, 14 layers adapted, rank 4, eight tokens, a loss "
    "linear in the last hidden state, Adam at learning rates k n^c, k = 0.3, six steps; slopes are "
    "means over layers"
)
# the cases of L13 and of L13c, by key
ALONE = {
    "Init[A]": "Init[A], c = -1/2",
    "Init[B]": "Init[B], c = -1",
    "LoRA+ from Init[A]": "LoRA+ from Init[A], c = -1 and 0",
}
TOGETHER = {
    "Init[A]": "Init[A], c = -1/2",
    "Init[B]": "Init[B], c = -1",
    "LoRA+ from Init[B]": "LoRA+ from Init[B], c = -1 and 0",
    "LoRA+ from Init[A]": "LoRA+ from Init[A], c = -1 and 0",
}
TEST = (
    "tests/proxies/instruments/test_coordinates.py::test_a_trajectory_is_what_plain_autograd_gives"
)
TRIAL = f"{TRIALS}.coordinates.collect"

COORDINATES = (
    Claim(
        "L13",
        "In a transformer the features of a layer that is trained alone grow with the width by the "
        "calculus' exponents.",
        "2406.08447",
        tuple(
            Check(
                key,
                NEAR,
                f"slope minus exponent, the farthest of {FIVE}, layers trained alone, {case}",
                "" if "LoRA+" in key else "0",
                "0",
            )
            for key, case in ALONE.items()
        ),
        MODEL,
        equation="theory.lr_stability.dynamics.exponents",
        test=TEST,
        trial=TRIAL,
    ),
    Claim(
        "L13b",
        "At a learning rate n^(-1/2), Init[A]'s, the output of an adapter from Init[B] grows like "
        "n^(1/2).",
        "2406.08447",
        (
            Check(
                "last step",
                Within(low=CLOSE),
                "slope of Z_B after six steps, above what passes for none, Init[B], c = -1/2",
                "grows",
                "1/2",
            ),
            Check(
                "first step",
                HALF,
                "slope of Z_B after the first step, Init[B], c = -1/2",
                "grows",
                "1/2",
            ),
            Check(
                "small k",
                HALF,
                "slope of Z_B after six steps, k = 0.03, Init[B], c = -1/2",
                "grows",
                "1/2",
            ),
        ),
        f"{MODEL}, each layer trained alone. With k = 0.3 the slope falls from step to step: an "
        "output that large turns its own gradient, whose signs then no longer add up; the third "
        "check is the test of that",
        equation=f"{SEE} (3)",
        test=TEST,
        trial=TRIAL,
    ),
    Claim(
        "L13c",
        "With all layers trained at once no feature grows faster with the width than it does in a "
        "layer trained alone.",
        "derived",
        tuple(
            Check(
                key,
                NO_MORE,
                f"slope minus exponent, the highest of {FIVE}, all layers trained at once, {case}",
                predicted="<= 0",
                expected=Verdict.REFUTED if key == "LoRA+ from Init[A]" else Verdict.HOLDS,
            )
            for key, case in TOGETHER.items()
        ),
        f"{MODEL}; one-sided, as so large a k makes delta1 fall off. LoRA+ fails from a random "
        "A_0: B of order 1 sends a gradient of order n^(-1/2) back through A_0, above the n^(-1) "
        "that the weights send; the layers before it learn to write along A_0, and A_0 x grows. "
        "From Init[B], A_0 = 0, it does not. Criteria and cases were chosen on other seeds",
        equation="theory.lr_stability.dynamics.exponents",
        test=TEST,
        trial=TRIAL,
    ),
)
