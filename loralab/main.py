"""The command `loralab`, for an environment that may lack what its subcommands need: one sentence
names the extra that brings it."""

import sys
from typing import NoReturn

# The extras of pyproject.toml, by the modules that only they bring.
EXTRAS = {
    "lab": (
        "cloudpickle",
        "filelock",
        "jinja2",
        "joblib",
        "matplotlib",
        "mpmath",
        "numpy",
        "rich",
        "scipy",
        "sklearn",
        "sympy",
        "threadpoolctl",
        "tyro",
        "yaml",
    ),
    "llm": (
        "accelerate",
        "datasets",
        "gguf",
        "huggingface_hub",
        "peft",
        "PIL",
        "tokenizers",
        "transformers",
    ),
    "diffusion": ("diffusers",),
    "rl": ("gymnasium",),
    "cluster": ("ray",),
}


def main() -> NoReturn:
    """Run the command; exit code 1, with one sentence, where an extra is not installed.

    Raises: ModuleNotFoundError where a module is missing that no extra brings.
    """
    try:
        from loralab.cli import main as command

        command()
    except ModuleNotFoundError as error:
        missing = str(error.name).split(".")[0]
        extra = next((extra for extra, modules in EXTRAS.items() if missing in modules), None)
        if extra is None:
            raise
        sys.exit(f"error: this needs {missing}: pip install 'loralab[{extra}]'")
