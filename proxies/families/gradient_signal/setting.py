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
