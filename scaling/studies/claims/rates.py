"""The claims of `scaling.studies.rates`."""

from typing import Any, NamedTuple

from loralab.claims import Check, Claim, Kind, Scope, Within
from scaling.studies.claims.findings import SWEEP

STEPS = 40
WITHIN = 0.01  # the bar of the rule: within 1 % of the sweep's best
DECADES = 0.5
POINTS = {"accuracy": 1.0, "exact_match": 1.0, "fidelity": 1.0, "normalised_score": 100.0}
"""Metrics of which more is better, by what 100 % is; of the others less is better."""
SETTINGS = {"steps": STEPS, "validate_every": STEPS, "precision": "float32"}


class Pair(NamedTuple):
    """A model on a task that no learning rate was tuned on.

    Args:
        settings: of the run, where they are not SETTINGS.
        metric: of the test data, by which a learning rate is scored.
        scope: what the model is.
        words: the run, for a reader.
    """

    settings: dict[str, Any]
    metric: str
    scope: Scope
    words: str


SMOLLM2 = "SmolLM2-135M-Instruct in bfloat16"
PAIRS = {
    "SmolLM2, instructions": Pair(
        {
            "task": "causal_lm",
            "batch": 2,
            "length": 192,
            "limit": 32,
            "precision": "bfloat16",
            "task_options": {"samples": 0},
        },
        "bits_per_byte",
        Scope.LM,
        f"{SMOLLM2} says in one sentence what a Python function does; 2 examples of at most 192 "
        "tokens; test: 32 functions of numpy",
    ),
    "SmolLM2, multiple choice": Pair(
        {
            "task": "multiple_choice",
            "batch": 2,
            "length": 192,
            "precision": "bfloat16",
        },
        "loss",
        Scope.LM,
        f"{SMOLLM2} learns which of four sentences is that of a Python function; 2 examples of at "
        "most 192 tokens; test: 24 functions of numpy, nats a token of the right answer",
    ),
    "SmolLM2, classification": Pair(
        {
            "task": "text_classification",
            "model": "smollm2",
            "batch": 8,
            "length": 32,
            "precision": "bfloat16",
        },
        "accuracy",
        Scope.LM,
        f"{SMOLLM2} with a new linear head learns of which of six packages a docstring is; 8 "
        "docstrings of at most 32 tokens; test: 50 of each package",
    ),
    "GPT, multiple choice": Pair(
        {"task": "multiple_choice", "model": "gpt", "batch": 4, "length": 128},
        "loss",
        Scope.TOY_LM,
        "a GPT-2 of width 128, trained here on the docstrings of Python's standard library, learns "
        "the same choices; 4 examples of at most 128 tokens",
    ),
    "BART, summaries": Pair(
        {"task": "seq2seq_lm", "batch": 16},
        "perplexity",
        Scope.TOY_LM,
        "a small BART, trained here to repair the text of Python's standard library, sums up "
        "docstrings of scientific packages; 16 examples of at most 64 tokens",
    ),
    "LLaVA, digits": Pair(
        {"task": "vision_language", "batch": 16},
        "exact_match",
        Scope.SMALL,
        "a small LLaVA, trained here on questions about 8 x 8 digits, learns two other questions; "
        "16 examples",
    ),
    "ViT, digits": Pair(
        {"task": "image_classification", "batch": 16},
        "accuracy",
        Scope.SMALL,
        "a small vision transformer, trained here on plain 8 x 8 digits, reads them inverted, "
        "rotated, noisy, thick and on stripes, with its head trained too; 16 images",
    ),
    "diffusion, digits": Pair(
        {"task": "image_generation", "batch": 16},
        "fidelity",
        Scope.SMALL,
        "a small diffusion transformer, trained here to draw the digits 0 to 4, learns 5 to 9; 16 "
        "images; test: the share of images drawn that are nearest to those of their digit",
    ),
    "decision transformer, Pendulum": Pair(
        {"task": "offline_rl", "batch": 16},
        "normalised_score",
        Scope.SMALL,
        "a small Decision Transformer, trained here on Pendulum-v1, learns from episodes under "
        "heavier gravity; 16 pieces of episodes; 100 points are those of the scripted policy",
    ),
    "decision transformer, CartPole": Pair(
        {
            "task": "offline_rl",
            "batch": 16,
            "task_options": {"environment": "CartPole-v1"},
        },
        "normalised_score",
        Scope.SMALL,
        "a small Decision Transformer, trained here on CartPole-v1, learns from episodes with a "
        "longer pole; 16 pieces of episodes; 100 points are those of the scripted policy",
    ),
}
RULE = (
    "predicted: for LoRA 2e-3 (384/width)^(1/2) where a head is newly initialized or trained "
    "whole, as tuned on MiniLM (width 384), and 6e-3 (384/width)^(3/4) where none is, whose "
    "constant is from exploration on two other pairs (a GPT of width 128 and SmolLM2 on "
    "docstrings); width: the commonest of a layer's input"
)
SHARED = (
    f"LoRA of rank 8, alpha 16 on every linear layer but the head; {STEPS} steps of AdamW (betas "
    ".9, .999, eps 1e-8, no weight decay), learning rate falling linearly to 0 without warm-up, "
    "gradients clipped at 1; a seed draws the data, their split, the initialization and the order "
    f"of the batches; {RULE}; the sweep: five learning rates half a decade apart around the "
    "predicted one, up to two more where the best is at an end"
)

ABOUT: dict[str, Any] = {
    "equation": "theory.lr_stability.lr_rule",
    "test": "tests/scaling/advice/test_rates.py"
    "::test_the_prediction_is_higher_where_no_head_is_new",
    "trial": SWEEP,
    "kind": Kind.EFFECT,
    "scope": Scope.LM,
    "separates": "the model and the task",
}


def within(key: str, pair: Pair) -> Check:
    """How much worse a run ends at the predicted learning rate than at the sweep's best one."""
    chosen = (
        "at the sweep's learning rate of the least mean validation loss, chosen anew in every "
        "resample of the seeds"
    )
    if pair.metric in POINTS:
        bar = WITHIN * POINTS[pair.metric]
        name = pair.metric.replace("_", " ")
        return Check(
            key,
            Within(low=-bar),
            f"{pair.words}; test {name} at the predicted learning rate less that {chosen}",
            predicted=Within(low=-bar),
            scope=pair.scope,
        )
    return Check(
        key,
        Within(high=1 + WITHIN),
        f"{pair.words}; test {pair.metric.replace('_', ' ')} at the predicted learning rate over "
        f"that {chosen}; geometric mean over seeds",
        predicted=Within(high=1 + WITHIN),
        scope=pair.scope,
    )


CLAIMS = (
    Claim(
        "S9",
        "At the learning rate that advice predicts for LoRA, without a trial run, a run ends "
        "within 1 % of a sweep's best one, on ten pairs of model and task that it was not tuned "
        f"on, {STEPS} steps.",
        "derived",
        tuple(within(key, pair) for key, pair in PAIRS.items()),
        SHARED,
        **ABOUT,
    ),
    Claim(
        "S9b",
        "The learning rate that advice predicts for LoRA, without a trial run, is within half a "
        "decade of the best one, on ten pairs of model and task that it was not tuned on, "
        f"{STEPS} steps.",
        "derived",
        tuple(
            Check(
                key,
                Within(-DECADES, DECADES),
                f"{pair.words}; decades from the best learning rate (vertex of the parabola of a "
                "seed's validation loss, in the logarithm of the learning rate, through the best "
                "one tried and its neighbours) to the predicted one",
                predicted=Within(-DECADES, DECADES),
                scope=pair.scope,
            )
            for key, pair in PAIRS.items()
        ),
        SHARED,
        **ABOUT,
    ),
)
