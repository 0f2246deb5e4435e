"""The reference pages: what mkdocstrings makes of the docstrings of every public name."""

import lora

TABLES = ("OPTIMIZERS", "SCHEMES", "VARIANTS")  # of which the pages of the methods speak
DOOR = ("finetune", "sweep", "advise", "init", "models")
TESTING = ("check_scheme", "check_round_trip")
INTRODUCTIONS = {
    "lora": "The adapter library. `import lora` needs torch, safetensors and jaxtyping. The "
    "tables `lora.SCHEMES`, `lora.VARIANTS` and `lora.OPTIMIZERS` map names to what "
    "[Methods](../methods/index.md) describes.",
    "testing": "The tests that every scheme passes, for a scheme of your own.",
    "loralab": "The commands as functions. Each takes the flags of its command as keyword "
    "arguments (`--lr 1e-3` is `lr=1e-3`), or objects that you hold, and returns what the command "
    "prints. They need the extra `llm`.",
}


def pages() -> dict[str, str]:
    """A page for the library, its tests and the commands."""
    names = {
        "lora": [f"lora.{name}" for name in sorted(lora.__all__, key=str.lower)],
        "testing": [f"lora.testing.{name}" for name in TESTING],
        "loralab": [
            f"scaling.{'models.command.' if name == 'models' else f'{name}.'}{name}"
            for name in DOOR
        ],
    }
    titles = {"lora": "lora", "testing": "lora.testing", "loralab": "loralab"}
    return {
        f"api/{page}.md": f"# {titles[page]}\n\n{INTRODUCTIONS[page]}\n\n"
        + "\n".join(f"::: {name}\n" for name in found if name.rpartition(".")[2] not in TABLES)
        for page, found in names.items()
    }
