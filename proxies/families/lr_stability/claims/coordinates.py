"""The claims L13, L13b and L13c as data: the exponents inside a transformer."""

from loralab.claims import Check, Claim, Verdict, Within

CLOSE = 0.15
NEAR = Within(-CLOSE, CLOSE)
HALF = Within(0.5 - CLOSE, 0.5 + CLOSE)
NO_MORE = Within(high=CLOSE)
FARTHEST = "slope minus exponent, the farthest of Z_A, Z_B, delta1, delta2, delta3"
HIGHEST = "slope minus exponent, the highest of the five"
MODEL = (
    "a Llama of two blocks with random weights, 14 layers adapted, rank 4, eight tokens, a loss "
    "linear in the last "
    "hidden state, Adam at k n^c, k = 0.3, six steps; slopes are means over layers"
)

COORDINATE_CLAIMS = (
    Claim(
        "L13",
        "In a transformer the features of a layer that is trained alone grow with width by the "
        "calculus' exponents.",
        "2406.08447",
        (
            Check("", NEAR, f"Init[A], c = -1/2: {FARTHEST}", predicted="0"),
            Check("", NEAR, "Init[B], c = -1: the same", predicted="0"),
            Check("", NEAR, "LoRA+ from Init[A], c = -1 and 0: the same", predicted="0"),
        ),
        MODEL,
    ),
    Claim(
        "L13b",
        "At a rate n^(-1/2), Init[A]'s, the output of an adapter from Init[B] grows like n^(1/2).",
        "2406.08447",
        (
            Check(
                "",
                Within(low=CLOSE),
                "slope of Z_B after six steps, above what passes for none",
                predicted="1/2",
            ),
            Check("", HALF, "slope of Z_B after the first step", predicted="1/2"),
            Check("", HALF, "slope of Z_B after six steps, k = 0.03", predicted="1/2"),
        ),
        "as L13, each layer trained alone. With k = 0.3 the slope falls from step to step: an "
        "output that large turns "
        "its own gradient, whose signs then no longer add up; the third check is the test of that",
    ),
    Claim(
        "L13c",
        "With all layers trained at once no feature grows faster with width than it does in a "
        "layer trained alone.",
        "derived",
        (
            Check("", NO_MORE, f"Init[A], c = -1/2: {HIGHEST}", predicted="<= 0"),
            Check("", NO_MORE, "Init[B], c = -1: the same", predicted="<= 0"),
            Check("", NO_MORE, "LoRA+ from Init[B], c = -1 and 0: the same", predicted="<= 0"),
            Check(
                "",
                NO_MORE,
                "LoRA+ from Init[A], c = -1 and 0: the same",
                predicted="<= 0",
                expected=Verdict.REFUTED,
            ),
        ),
        "as L13; one-sided, as so large a k makes delta1 fall off. LoRA+ fails from a random A_0: "
        "B of order 1 sends "
        "a gradient of order n^(-1/2) back through A_0, above the n^(-1) that the weights send; "
        "the layers before it "
        "learn to write along A_0, and A_0 x grows. From Init[B], A_0 = 0, it does not. Criteria "
        "and cases were chosen "
        "on other seeds",
    ),
)
