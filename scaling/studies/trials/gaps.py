"""How well an adapter of a language model does on the few examples that it was trained on, and on
unseen ones of the same kind."""

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loralab.files import write_text
from scaling.core import outputs
from scaling.core.config import Config
from scaling.evaluation.token_loss import per_byte
from scaling.studies.claims.gaps import EXAMPLES, UNSEEN
from scaling.studies.trials.adapters import NOTHING

COLUMNS = ("prompt", "answer")
LOSS = "bits_per_byte"


def fitted(settings: dict[str, Any], peft: None) -> dict[str, Any]:
    """Losses in bits a byte of the answers: "train" on the examples that were trained on, "test" on
    unseen ones, and as "validation" that on others, which choose the learning rate; beside them
    "trained_parameters". "diverged" alone where the loss was not finite.

    Args:
        settings: those of a run on a task without files, whose seed draws the examples.
        peft: nothing; every trial of a sweep has this argument.
    """
    from scaling.tasks import find
    from scaling.training.running import train  # transformers, which takes seconds to load
    from scaling.training.trainer import Diverged

    config = Config.of(**settings | {"validate_every": None, "remember": NOTHING})
    records = list(find(config.data.task).data(config).train)
    random.Random(config.seed).shuffle(records)
    wanted = EXAMPLES + 2 * UNSEEN
    if len(records) < wanted:
        raise RuntimeError(f"{wanted} examples are needed, and there are {len(records)}")
    with TemporaryDirectory() as temporary:
        files = {"train": records[:EXAMPLES], "test": records[:wanted]}
        for name, some in files.items():
            rows = [json.dumps({column: one[column] for column in COLUMNS}) for one in some]
            write_text(Path(temporary) / f"{name}.jsonl", "\n".join(rows) + "\n")
        given = {name: str(Path(temporary) / f"{name}.jsonl") for name in files}
        run = Path(temporary) / "run"
        try:
            result = train(config.replace(**given), run, run.mkdir, judge_base=False)
        except RuntimeError as error:
            if isinstance(error.__cause__, Diverged):
                return {"diverged": str(error)}
            raise
        written = (run / outputs.PREDICTIONS).read_text(encoding="utf-8")
        found = list(map(json.loads, written.splitlines()))
    parts = (found[:EXAMPLES], found[EXAMPLES:-UNSEEN], found[-UNSEEN:])
    trained, validation, test = (per_byte(rows)[LOSS] for rows in parts)
    return {
        "train": trained,
        "validation": [[config.training.steps, validation]],
        "test": test,
        "trained_parameters": result["trained_parameters"],
    }
