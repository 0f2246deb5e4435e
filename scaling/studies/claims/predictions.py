"""The claims of `scaling.studies.predictions`."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from scaling.studies.claims.findings import MARGIN, MINILM, TRAINING

METHOD_OF = {"init_a": "LoRA", "eva": "EVA"}  # by scheme
FROZEN = ("B alone", "A alone")
# the default learning rate was tuned for LoRA on MiniLM: there nothing is predicted
METHODS = {"MiniLM": ("EVA",), "GPT": (*METHOD_OF.values(), *FROZEN)}
NOT_WORSE = Within(low=-MARGIN)
TRIAL = "scaling.studies.trials.advice.predicted"
ADVICE = "tests/scaling/advice"
GPT = (
    "a GPT-2 of width 128, 2 layers and 4 heads, which was trained here on the docstrings of "
    "Python's standard library, goes on to the docstrings of 40 files of each of matplotlib, "
    "numpy, scipy, sklearn, sympy, torch (a tenth for validation; 8 other files of each for the "
    "test; drawn anew for every seed), in blocks of 64 tokens"
)
RATES = (
    "learning rates 1e-4 to 1e-2, four to a decade, up to three more at an end, 8 seeds at each; "
    "advice sees 8 probe batches of at most 8 of the run's training examples"
)
COMPARED = (
    "each method has the learning rate with the least mean validation loss over the 8 seeds, and "
    "is compared at it on 40 other seeds"
)
CASES = {
    f"{model}, {name}": (model, scheme)
    for model, names in METHODS.items()
    for scheme, name in METHOD_OF.items()
    if name in names
}


def lead(what: str) -> tuple[Check, ...]:
    return (
        Check(
            "GPT",
            NOT_WORSE,
            f"minus the loss of a test token in nats {what}; below .02 a difference counts as "
            "equal",
            predicted=NOT_WORSE,
        ),
    )


CLAIMS = (
    Claim(
        "S8",
        "The learning rate that advice predicts from the width is within half a decade of the best "
        "one, for EVA on a 22 M sentence encoder and for LoRA and EVA on a GPT of width 128 "
        "trained here, 40 steps.",
        "derived",
        tuple(
            Check(
                key,
                Within(-0.5, 0.5),
                f"{key}: decades from the best learning rate (vertex of the parabola of a seed's "
                "validation loss, in the logarithm of the learning rate, through the best one "
                "tried and its neighbours) to the predicted one",
                predicted=Within(-0.5, 0.5),
                scope=None if model == "GPT" else Scope.ENCODER,
            )
            for key, (model, _) in CASES.items()
        ),
        f"MiniLM: {MINILM}; GPT: {GPT}; {TRAINING} (GPT: 64 tokens, no head); {RATES}; predicted: "
        "the default 2e-3, tuned for LoRA on MiniLM, times the theory's power of the width",
        equation="theory.lr_stability.lr_rule",
        test=f"{ADVICE}/test_rates.py::test_the_rate_foretold_is_the_theorys_power_of_the_reference",
        trial=TRIAL,
        kind=Kind.EFFECT,
        scope=Scope.TOY_LM,
        separates="the initialization and the model",
    ),
    Claim(
        "S8b",
        "Of the default initialization and EVA, the one that advice recommends ends no worse, on a "
        "GPT of width 128 trained here, 40 steps.",
        "derived",
        lead("with the initialization that advice recommends on most seeds, less with the other"),
        f"{GPT}; {TRAINING}; {RATES}; {COMPARED}",
        equation="theory.gradient_signal.optimum (3)",
        test=f"{ADVICE}/test_diagnostics.py::test_the_signal_is_a_share_of_the_gradient_optimum",
        trial=TRIAL,
        kind=Kind.EFFECT,
        scope=Scope.TOY_LM,
    ),
    Claim(
        "S8d",
        "Of the two adapters with one factor frozen, the one that advice prefers ends no worse, "
        "where no head is newly initialized, on a GPT of width 128 trained here, 40 steps.",
        "derived",
        lead("with the factor trained that advice prefers to train, less with the other one"),
        f"{GPT}; {TRAINING}; {RATES}; {COMPARED}; advice prefers B unless A explains .01 more of "
        "the wanted change, by the median over the 8 seeds",
        equation="theory.asymmetry.freezing (2)",
        test=f"{ADVICE}/test_diagnostics.py"
        "::test_which_factor_to_freeze_is_the_theorys_from_dense_moments",
        trial=TRIAL,
        kind=Kind.EFFECT,
        scope=Scope.TOY_LM,
    ),
)
