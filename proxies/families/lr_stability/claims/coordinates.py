"""L13, L13b and L13c: the exponents inside transformers."""

from typing import NamedTuple

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.lr_stability.claims.checks import GROWS, near
from proxies.families.lr_stability.claims.settings import RATIO, SEE, STABILITY, TRIALS
from theory.lr_stability.finite import slack

WIDTHS = (64, 128, 256, 512)
CLOSE = slack(WIDTHS, RATIO)
FIVE = "Z_A, Z_B, delta1, delta2, delta3"
LLAMA, GPT2 = "Llama", "GPT-2"
MODELS = (LLAMA, GPT2)
SETTING = (
    "one block with random weights of a Llama (7 linear layers) or a GPT-2 (4): hidden size n = "
    "64, 128, 256, 512, inner size 2 n, heads of size 16, vocabulary 256; weights N(0, 1/fan_in), "
    "embeddings N(0, 1) scaled to root mean square 1; 2 sequences of 4 random tokens. The loss is "
    "linear, the mean of the last hidden state times a fixed standard normal direction. Adapters "
    "of rank 4, alpha 4, on every linear layer; Init[A]: A uniform in +- n^(-1/2), B = 0; Init[B]: "
    "B uniform in +- 4^(-1/2), A = 0; Adam, betas .9 and .999, eps 1e-30, on one batch, learning "
    "rates k n^c, k = 0.3. Slopes of log2 in log2 n of root mean squares over tokens and "
    "coordinates, mean over layers, one slope a seed; a seed draws weights, tokens, direction and "
    f"factors. The tolerance {CLOSE:.2f} is the most that a lower power of n with a constant 4 "
    "times the leading one's can change a slope over these widths, theory.lr_stability.finite (3)"
)
ALL_FIVE = (
    f"judged is the worst of the five quantities {FIVE}: the upper end of its interval is the "
    "largest of theirs, the lower end the largest of theirs at a fifth of the error each"
)
# the cases of L13 and of L13c, by key
ALONE = {
    "Init[A]": "Init[A], c = -1/2",
    "Init[B]": "Init[B], c = -1",
    "LoRA+ from Init[A]": "LoRA+ from Init[A], c = -1 for A and 0 for B",
}
TOGETHER = {
    "Init[A]": "Init[A], c = -1/2",
    "Init[B]": "Init[B], c = -1",
    "LoRA+ from Init[B]": "LoRA+ from Init[B], c = -1 for A and 0 for B",
    "LoRA+ from Init[A]": "LoRA+ from Init[A], c = -1 for A and 0 for B",
}
UNSTABLE = "LoRA+ from Init[A]"  # of TOGETHER, by theory


class Growth(NamedTuple):
    """Of L13b: a case, and the step after which Z_B is looked at."""

    case: str
    step: int
    words: str


STEPS = 6
GROWTHS = {
    "last step": Growth("Init[B], too fast", STEPS, "k = 0.3, after six steps"),
    "first step": Growth("Init[B], too fast", 1, "k = 0.3, after the first step"),
    "small k": Growth("Init[B], too fast, small k", STEPS, "k = 0.03, after six steps"),
}
TEST = (
    "tests/proxies/instruments/test_coordinates.py::test_a_trajectory_is_what_plain_autograd_gives"
)
TRIAL = f"{TRIALS}.coordinates.collect"


def key_in(model: str, key: str) -> str:
    return f"{model}: {key}"


def _alone(model: str, key: str) -> Check:
    return Check(
        key_in(model, key),
        Within(high=CLOSE),
        f"distance of a slope from its exponent after six steps, the largest of {FIVE}, each layer "
        f"trained alone, {ALONE[key]}, {model}",
        "" if "LoRA+" in key else "0",
        at(0),
    )


def _growth(model: str, key: str) -> Check:
    condition = f"slope of Z_B = s B A x, Init[B], c = -1/2, {GROWTHS[key].words}, {model}"
    return Check(key_in(model, key), near(0.5, CLOSE), condition, "n^(1/2)", at(0.5))


def _grows(model: str) -> Check:
    last = GROWTHS["last step"].words
    return Check(
        key_in(model, GROWS),
        Within(low=0),
        f"slope of Z_B = s B A x: above 0, Init[B], c = -1/2, {last}, {model}",
        "grows",
        Within(low=0),
    )


def _together(model: str, key: str) -> Check:
    return Check(
        key_in(model, key),
        Within(high=CLOSE),
        f"slope minus exponent after six steps, the highest of {FIVE}, all layers trained at once, "
        f"{TOGETHER[key]}, {model}",
        predicted=Within(low=0) if key == UNSTABLE else Within(high=0),
    )


COORDINATES = (
    Claim(
        "L13",
        "In one block of a Llama and of a GPT-2 with random weights, the features of a layer that "
        "is trained alone grow with the width by the exponents of the theory, to within "
        f"{CLOSE:.2f}.",
        STABILITY,
        tuple(_alone(model, key) for model in MODELS for key in ALONE),
        f"{SETTING}; {ALL_FIVE}",
        equation="theory.lr_stability.dynamics.exponents",
        test=TEST,
        trial=TRIAL,
        where="the theorems on Init[A] and Init[B]",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
    Claim(
        "L13b",
        "In one block of a Llama and of a GPT-2 with random weights, at learning rates n^(-1/2) "
        "the output s B A x of an adapter from Init[B] grows with the width, as n^(1/2).",
        STABILITY,
        tuple(
            check
            for model in MODELS
            for check in (_grows(model), *(_growth(model, key) for key in GROWTHS))
        ),
        f"{SETTING}; each layer trained alone",
        equation=f"{SEE} (3)",
        test=TEST,
        trial=TRIAL,
        where="the theorems on Init[A] and Init[B]",
        separates="how far the output has moved: after six steps at k = 0.3 it is so large that "
        "its gradient has turned, and the signs of the steps no longer add up",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
    Claim(
        "L13c",
        "In one block of a Llama and of a GPT-2 with random weights and all layers trained at "
        "once, no feature grows faster with the width than the theory of a layer trained alone "
        "says.",
        "derived",
        tuple(_together(model, key) for model in MODELS for key in TOGETHER),
        f"{SETTING}; {ALL_FIVE}. One-sided, as so large a k makes delta1 fall off",
        equation="theory.lr_stability.dynamics.exponents",
        test=TEST,
        trial=TRIAL,
        separates="LoRA+ from a random A_0: B of order 1 sends a gradient of order n^(-1/2) back "
        "through A_0, above the n^(-1) that the weights send; the layers before it learn to write "
        "along A_0, and A_0 x grows. From Init[B], A_0 = 0, it does not",
        kind=Kind.EFFECT,
        scope=Scope.SMALL,
    ),
)
