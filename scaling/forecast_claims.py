"""The claims of `scaling.forecasts`. Their criteria were set before the GPT was swept; of MiniLM the best rates and the
accuracies of three seeds were known. Half a decade is a step of the grid.
"""

from lab.claims import Check, Claim, Within

MARGIN = 0.02  # of accuracy, and of the loss of a token in nats
MODELS = ("MiniLM", "GPT")
STARTS = {"init_a": "LoRA", "eva": "EVA"}
BOTH = [f"{model}, {method}" for model in MODELS for method in STARTS.values()]
NOT_WORSE = Within(low=-MARGIN)
CLAIMS = (
    Claim(
        "S8",
        "A look at 64 examples foretells the best learning rate to half a decade.",
        "derived",
        tuple(Check("0", Within(-0.5, 0.5), f"{one}: decades from the best rate to the one foretold") for one in BOTH),
    ),
    Claim(
        "S8c",
        "The largest rate whose first step lowers the loss bounds the best one from above.",
        "derived",
        tuple(Check(">= 1", Within(low=1), f"{one}: the bound over the best rate") for one in BOTH),
    ),
    Claim(
        "S8b",
        "Of the default and EVA the start that it advises ends no worse.",
        "derived",
        tuple(Check(">= 0", NOT_WORSE, f"{model}: score minus the other's, .02 counted as equal") for model in MODELS),
        "accuracy of MiniLM, minus the loss of a token of the GPT",
    ),
    Claim(
        "S8d",
        "Of two adapters with one factor frozen, the one of which it foretells less loss ends no worse.",
        "derived",
        tuple(Check(">= 0", NOT_WORSE, f"{model}: score minus the other's, .02 counted as equal") for model in MODELS),
        "as S8b; what is foretold where a new head is trained, as on MiniLM, advice itself calls a coin (A15b)",
    ),
)
