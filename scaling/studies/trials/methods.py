"""The methods that are compared on the language model, and where their best learning rates lie."""

from typing import Any

METHODS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "Init[B]": {"scheme": "init_b"},
    "orthogonal": {"scheme": "orthogonal"},
    "EVA": {"scheme": "eva"},
    "B alone": {"train_a": False},
    "B alone, rank 16": {"train_a": False, "rank": 16, "alpha": 32.0},  # alpha / r stays
    "A alone, rank 17": {"scheme": "init_b", "train_b": False, "rank": 17, "alpha": 34.0},
    "OP-LoRA": {"variant": "overparam"},
    "Dash": {"variant": "dash"},
    "LoRA-Init": {"scheme": "tsd_init"},
    "Nyström": {"scheme": "nystrom"},
    "PiSSA": {"scheme": "pissa"},
    "full": {"variant": "full"},
    "EVA, rho 2": {"scheme": "eva", "scheme_options": {"rho": 2.0}},
    "PiSSA, random basis": {"scheme": "pissa", "scheme_options": {"basis": "random"}},
    "MiLoRA": {"scheme": "milora"},
    "OLoRA": {"scheme": "olora"},
    "CorDA": {"scheme": "corda"},
    "LoRA-GA": {"scheme": "lora_ga"},
    "LoRA-One": {"scheme": "lora_one"},
    "gradient signal": {"scheme": "gradient_signal"},
    "gradient Nyström": {"scheme": "nystrom_grad"},
    "NoRA+": {"scheme": "nystrom", "optimizer": "scaled_adamw"},
    "LoRA-TSD": {"scheme": "tsd_init", "variant": "tsd"},
    "DoRA": {"variant": "dora"},
    "LoRA+": {"ratio": 16.0},
    "rsLoRA": {"rank_stabilized": True},
    "LoRA, rank 16": {"rank": 16, "alpha": 32.0},
    "OP-LoRA, rank 4": {"variant": "overparam", "rank": 4, "alpha": 8.0},
}
CORE = (*METHODS,)[:13]  # that the default size compares
ON_TASKS = ("LoRA", "Init[B]", "EVA", "B alone, rank 16", "A alone, rank 17")  # besides the text
WIDE = ("LoRA", "Init[B]", "OP-LoRA")  # whose range of good learning rates is compared
# where exploration on the text, seed 0, puts the best learning rate: of those tried, half a decade
# apart, the best one, or the next beyond where the loss still fell fast at the last; that of a
# method of the same size for what was not explored
BEST = {
    "LoRA": 3.2e-3,
    "Init[B]": 1e-3,
    "orthogonal": 3.2e-3,
    "EVA": 1e-3,
    "B alone": 1e-2,
    "B alone, rank 16": 3.2e-3,
    "A alone, rank 17": 1e-3,
    "OP-LoRA": 3.2e-4,
    "Dash": 3.2e-3,
    "LoRA-Init": 3.2e-3,
    "Nyström": 1e-3,
    "PiSSA": 1e-3,
    "full": 3.2e-4,
    "EVA, rho 2": 1e-3,
    "PiSSA, random basis": 1e-3,
    "MiLoRA": 3.2e-3,
    "OLoRA": 3.2e-4,
    "CorDA": 1e-3,
    "LoRA-GA": 1e-3,
    "LoRA-One": 3.2e-3,
    "gradient signal": 1e-3,
    "gradient Nyström": 3.2e-3,
    "NoRA+": 1e-3,
    "LoRA-TSD": 3.2e-3,
    "DoRA": 3.2e-3,
    "LoRA+": 3.2e-4,
    "rsLoRA": 1e-3,
    "LoRA, rank 16": 3.2e-3,
    "OP-LoRA, rank 4": 3.2e-4,
}
