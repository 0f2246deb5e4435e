"""From the numbers to what to do: for every choice the first rule whose condition is met, with its
reason.

The rules say what the ledger supports and no more, and every reason that rests on claims says on
what they were measured, which is seldom a model like the user's. Most initializations end within a
few per cent of each other once each has a learning rate of its own, so the usual advice is the
default one and a sweep of the learning rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from scaling.advice.facts import NEAR, RATES, SCARCE, STEP, TIMES, Facts
from scaling.advice.width_transfer import WIDTH
from theory.asymmetry.freezing import TIE


@dataclass(frozen=True)
class Choice:
    """What to do.

    Args:
        choice: what is chosen.
        value: the advice.
        why: in few words.
        reason: why, and on what that was seen.
        claims: ids in the ledger that the reason rests on.
    """

    choice: str
    value: Any
    why: str
    reason: str
    claims: tuple[str, ...]


class Rule(NamedTuple):
    choice: str
    applies: Callable[[Facts], bool]
    value: Callable[[Facts], Any]
    why: Callable[[Facts], str]
    """In few words."""
    reason: Callable[[Facts], str]
    seen: str
    """What the claims were measured on."""
    claims: tuple[str, ...]

    def because(self, facts: Facts) -> str:
        return f"{self.reason(facts)} ({self.seen})" if self.seen else self.reason(facts)


ADVISED = (
    f"EVA is advised where its rows get at least {NEAR:.0%} of the best gradient signal and at "
    f"least {TIMES:g} times what random rows get"
)
SMALL = "small networks that learn 8 x 8 digits"
ENCODER = "a 22 M sentence encoder"
ON_TEXT = "higher, centred, on SmolLM2-135M after 40 steps of text (LM1b)"


def here(f: Facts) -> str:
    """Why EVA is advised, or not."""
    best = min(f.best_signal, 1)  # more, by chance, as rows are judged on other batches
    return f"{ADVISED}: here they get {best:.0%}, and random rows {f.signal_random:.0%}"


def around(
    applies: Callable[[Facts], bool], origin: str, seen: str, claims: tuple[str, ...]
) -> tuple[Rule, Rule]:
    """Learning rates around the predicted one, or below it where the first step bounds them.

    Args:
        applies: to which runs.
        origin: what the prediction is made of.
        seen: what the claims were measured on.
        claims: that it rests on.
    """
    return (
        Rule(
            "rates",
            lambda f: applies(f) and f.centre < (f.predicted[f.scheme] or 0),
            lambda f: sweep(f.centre),
            lambda f: (
                "predicted from the model's width, then moved down: above the last of them a first "
                "step raised the loss"
            ),
            lambda f: (
                f"the predicted learning rate, {f.predicted[f.scheme]:.1e}, from {origin}, is "
                "moved down so that the sweep ends at the bound, beyond which the first step "
                "raised the loss"
            ),
            seen,
            claims,
        ),
        Rule(
            "rates",
            applies,
            lambda f: sweep(f.centre),
            lambda f: (
                "predicted from the model's width; none is so large that a first step raises the "
                "loss"
            ),
            lambda f: (
                f"around the learning rate predicted for this width from {origin}, all within the "
                "bound; extend the sweep where its best is at an end, and sweep each "
                "initialization by itself"
            ),
            seen,
            claims,
        ),
    )


RULES = (
    Rule(
        "scheme",
        lambda f: f.scheme == "eva",
        lambda f: f.scheme,
        lambda f: f"{here(f)}; centred, it improved SmolLM2-135M less (LM1b), so sweep both",
        lambda f: (
            f"{here(f)}, so that a first step of equal length gains more; that EVA then ends lower "
            "than the default initialization, each at its own best learning rate, is not known, "
            "so sweep both"
        ),
        f"signal: {SMALL} (E2e); losses: undecided there with Adam after 10 to 160 steps (E9), "
        f"{ON_TEXT}, and the advice is scored on a GPT of width 128 (S8b)",
        ("E2e", "E9", "LM1b", "S8b"),
    ),
    Rule(
        "scheme",
        lambda f: True,
        lambda f: f.scheme,
        here,
        lambda f: (
            f"{here(f)}; its pass over the data would take {f.delay.get('eva', 0.0):.0%} of the "
            "time of training"
        ),
        f"signal: layers of {ENCODER} (E2e); losses: undecided on one of them after 10 and 40 "
        f"steps (E9), {ON_TEXT}, and the advice is scored on a GPT of width 128 (S8b)",
        ("E2e", "E9", "LM1b", "S8b"),
    ),
    Rule(
        "scheme_options",
        lambda f: bool(f.options),
        lambda f: f.options,
        lambda f: (
            "do not centre the inputs: that would cost "
            f"{f.signal_uncentred - f.signal:.0%} of the gradient signal"
        ),
        lambda f: (
            f"centred rows get {f.signal:.0%} of the signal, uncentred ones "
            f"{f.signal_uncentred:.0%}"
        ),
        f"algebra (E3), and seen on layers of {ENCODER} (E3b) and of SmolLM2-135M (LM10); whether "
        "that trains better is not measured",
        ("E3", "E3b", "LM10"),
    ),
    Rule(
        "rank",
        lambda f: True,
        lambda f: f.rank,
        lambda f: (
            "as asked for, the same for every layer: ranks by explained variance need not have "
            "the largest gradient signal"
        ),
        lambda f: (
            "as asked for, and rho = 1: the worth of more rank is not predicted here, and ranks "
            "that are shared out by explained variance do not maximise the signal"
        ),
        "a constructed counter-example",
        ("E8c",),
    ),
    Rule(
        "freeze if memory is short",
        lambda f: f.fresh,
        lambda f: "A",
        lambda f: (
            f"saves {f.saved:.0%} of the memory for backward; its cost in loss is not predicted"
        ),
        lambda f: (
            f"it saves {f.saved:.0%} of the memory for backward; the prediction from the moments "
            f"({f.gain:+.2f} for training B) is of undecided worth where a newly initialized head "
            "is trained"
        ),
        f"undecided on {SMALL} (A15b, A11); the memory is counted on this model",
        ("A15b", "A11"),
    ),
    Rule(
        "freeze if memory is short",
        lambda f: f.gain < -TIE and f.saved < SCARCE,
        lambda f: "B",
        lambda f: f"costs less than a frozen A, which would save only {f.saved:.0%} of the memory",
        lambda f: (
            f"training A explains {-f.gain:.2f} more of the wanted change than training B, and "
            f"freezing A would save only {f.saved:.0%} of the memory for backward"
        ),
        "the prediction was seen on simulated teachers; the memory is counted on this model",
        ("A15",),
    ),
    Rule(
        "freeze if memory is short",
        lambda f: f.gain < -TIE,
        lambda f: "A",
        lambda f: f"saves {f.saved:.0%} of the memory for backward; expect a worse result",
        lambda f: (
            f"only a frozen A saves memory, {f.saved:.0%} of that for backward; but training B "
            f"explains {-f.gain:.2f} less of the wanted change than training A, so expect a worse "
            "result"
        ),
        "the prediction was seen on simulated teachers; the memory is counted on this model",
        ("A15",),
    ),
    Rule(
        "freeze if memory is short",
        lambda f: True,
        lambda f: "A",
        lambda f: f"saves {f.saved:.0%} of the memory for backward; training both is better still",
        lambda f: (
            f"it saves {f.saved:.0%} of the memory for backward, and training B explains "
            f"{f.gain:+.2f} more of the wanted change than training A; training both is better "
            "still"
        ),
        "the prediction was seen on simulated teachers and is scored on a GPT of width 128 (S8d), "
        f"training both on synthetic classes and undecided on {SMALL} (A11b); the memory is "
        "counted on this model",
        ("A15", "A11b", "S8d"),
    ),
    Rule(
        "rates",
        lambda f: f.predicted[f.scheme] is None,
        lambda f: sweep(f.centre),
        lambda f: (
            "up to the highest at which a first step lowers the loss; none was tuned with this "
            "optimizer to predict from"
        ),
        lambda f: "up to the bound: no learning rate was tuned with this optimizer to predict from",
        "",
        (),
    ),
    *around(
        lambda f: f.fresh,
        f"the one tuned with a new head at width {WIDTH}",
        "seen on networks with one hidden layer and synthetic data (L8, L11), and scored on a GPT "
        f"of width 128 and {ENCODER} (S8) and on ten models and tasks (S9, S9b), 40 steps",
        ("L8", "L11", "S8", "S9", "S9b"),
    ),
    *around(
        lambda f: True,
        "the best ones of two language models, found in exploration",
        "the power of the width was seen on a network with one adapted layer (L8d), the constant "
        "in exploration on a GPT of width 128 and SmolLM2-135M; scored on ten models and tasks, 40 "
        "steps (S9, S9b)",
        ("L8d", "S9", "S9b"),
    ),
)


def sweep(centre: float) -> list[float]:
    """Five learning rates to two digits."""
    return [float(f"{centre * STEP**k:.1e}") for k in RATES]


def recommend(facts: Facts) -> list[Choice]:
    """For each choice the first rule that applies."""
    found: dict[str, Choice] = {}
    for rule in RULES:
        if rule.choice not in found and rule.applies(facts):
            found[rule.choice] = Choice(
                rule.choice, rule.value(facts), rule.why(facts), rule.because(facts), rule.claims
            )
    return list(found.values())
