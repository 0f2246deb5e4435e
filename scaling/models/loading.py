"""Models of transformers, from a folder or the hub; whatever is wrong is one sentence."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.memory import should_reduce_batch_size
from torch import nn

from scaling.core.config import Config
from scaling.core.quiet import quiet
from scaling.core.task import Loaded
from scaling.models import quantised
from scaling.models.packaged import located, nowhere
from scaling.models.precision import base_dtype

Whole = Callable[[Any], Iterable[str]]
POSITIONS = (".position_embeddings", ".wpe")  # the tables of encoders, and of GPT-2


def positions(model: nn.Module) -> int | None:
    """How many tokens a model has positions for, where it has a table of them; RoBERTa's begins
    after its padding."""
    tables = (
        module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
        for name, module in model.named_modules()
        if name.endswith(POSITIONS) and isinstance(module, nn.Embedding)
    )
    return min(tables, default=None)


def pretrained(
    config: Config,
    kind: Any,
    source: str,
    processor: Any = None,
    whole: Whole = lambda settings: (),
    **options: Any,
) -> Loaded:
    """A model of an Auto class, frozen, in the type of the config's precision or quantised, with
    its processor. What the model's weights lack is drawn from the config's seed.

    Args:
        config: the run.
        kind: the Auto class.
        source: a folder, or a name on the hub or of `loralab models`.
        processor: an Auto class too, by default that of its tokenizer.
        whole: of (transformers' configuration of the model): the modules that the task trains
            whole, which are not quantised.
        options: for `from_pretrained`.

    Raises: ValueError for a model that is not there, whose weights may not be read, or that cannot
        be quantised as the config wants.
    """
    from transformers import AutoTokenizer

    folder = located(source)
    local = Path(folder).exists()
    common = {"trust_remote_code": config.data.trust_remote_code, "local_files_only": local}
    if not config.data.allow_pickle:
        options["use_safetensors"] = True
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(config.seed)
        try:
            reader = (processor or AutoTokenizer).from_pretrained(folder, **common)
            dense = _kept_dense(config, kind, folder, whole, common | options)
            read = partial(
                kind.from_pretrained,
                folder,
                output_loading_info=True,
                dtype=base_dtype(config),
                **common,
                **options,
            )
            model, info = read(**quantised.options(config, dense))
            if config.training.quantize and (lacks := _lacks(info) - dense):
                # what is newly initialized is trained whole
                model, info = read(**quantised.options(config, dense | lacks))
        except Exception as error:  # of several libraries, on files that may hold anything
            raise ValueError(f"cannot load the model {source}{_why(folder, error)}") from error
    if config.training.quantize:
        quantised.settle(model, source)
    return Loaded(model.requires_grad_(False), reader, tuple(sorted(_lacks(info))))


def _lacks(info: Mapping[str, Any]) -> set[str]:
    """The modules whose parameters the weights lack, or have in another shape."""
    missing = {*info["missing_keys"], *(entry[0] for entry in info["mismatched_keys"])}
    return {key.rpartition(".")[0] for key in missing}


def _kept_dense(
    config: Config, kind: Any, folder: str, whole: Whole, common: Mapping[str, Any]
) -> set[str]:
    """The names of the layers that are not quantised; none where nothing is."""
    if config.training.quantize is None:
        return set()
    from transformers import AutoConfig

    settings = AutoConfig.from_pretrained(folder, **common)
    with torch.device("meta"):
        empty = kind.from_config(settings, trust_remote_code=config.data.trust_remote_code)
    return quantised.kept_dense(config, empty, [*whole(settings)])


def _why(source: str, error: Exception) -> str:
    """The end of a sentence about a model that cannot be loaded: where it is not, or what is wrong
    with its files."""
    if isinstance(error, MemoryError) or should_reduce_batch_size(error):
        return ": it does not fit into memory"
    first = str(error).strip().partition("\n")[0].strip() or type(error).__name__
    if Path(source).exists():
        known = isinstance(error, OSError | ValueError)
        return f": {first[:300]}" if known else f": its files are damaged ({first[:200]})"
    if "gated" in first or "401" in first or "403" in first:
        return f": {first[:300]}"
    return f": {nowhere(source)}"
