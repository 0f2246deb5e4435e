"""The sizes that claims speak of and trials run with."""

BUDGETS = (10, 40, 160)  # steps of training, each with a learning rate of its own
RANK = 4  # of what is trained

# examples to train on, to choose the learning rate by, and to test on
SPLIT_SIZES = {
    "digits": (600, 240, 240),
    "photographs": (120, 60, 80),
    "docstrings": (180, 90, 90),
    "code": (180, 90, 90),
}
PROBE = 60  # texts more, for the frozen probe
COMPETITORS = {"PiSSA": "pissa", "OLoRA": "olora", "CorDA": "corda", "LoRA-GA": "lora_ga"}
"""Their schemes in lora.SCHEMES."""

PACKAGES = ("networkx", "scipy", "sklearn", "sympy", "torch", "transformers")
"""From which the texts are: a text's class is the package that it stands in."""
TOKENS = 24  # of each text; the rest is cut off
EXAMPLES = 24  # texts of each package for the gradients in MiniLM's layers
ROWS_OF_OTHERS = ("default", "PiSSA", "OLoRA", "CorDA", "gradient SVD")
"""Whose rows are compared with EVA's in real layers; "gradient SVD" has LoRA-GA's row space."""

MOVED = "EVA, ranks moved"
COMPARED = ("default", "same E|Ax|^2", "EVA", "gradient SVD", "gradient_signal", *COMPETITORS)
TRAINED = {
    ("digits", "adam"): (*COMPARED, "EVA rotated", MOVED),
    ("digits", "sgd"): ("default", "same E|Ax|^2", "EVA", "EVA rotated"),
    ("photographs", "adam"): (*COMPARED, MOVED),
    ("docstrings", "adam"): COMPARED,
    ("code", "adam"): COMPARED,
}
"""Which initializations are trained, by task and optimizer."""
LONGEST = {"digits": 160, "photographs": 160, "docstrings": 40, "code": 40}  # steps of each task
# seeds that choose the learning rates
CHOOSING = {"digits": 8, "photographs": 4, "docstrings": 4, "code": 4}
MOST = 12
"""Sets of data, beside those that choose, that there are: of 4240 patches of a photograph, and of
1400 texts of a package."""
