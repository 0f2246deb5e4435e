"""Classifiers and their heads.

A head is trained whole, as few ranks fit so few outputs: from where it stands in a model that knows
exactly these classes, else anew.
"""

import copy
from typing import Any

import torch

from scaling.core.config import Config
from scaling.core.task import Loaded
from scaling.models.loading import pretrained


def classifier(
    config: Config, kind: Any, source: str, classes: list[str] | None, processor: Any = None
) -> Loaded:
    """A model of an Auto class for these classes, numbered as its `config.label2id` says, or for a
    number (None)."""
    loaded = pretrained(
        config,
        kind,
        source,
        processor,
        whole=lambda settings: _head(kind, settings, config.data.trust_remote_code),
        num_labels=len(classes or [0.0]),
        problem_type="regression" if classes is None else "single_label_classification",
        ignore_mismatched_sizes=True,
    )
    settings: Any = loaded.model.config
    head = _head(kind, settings, config.data.trust_remote_code)
    if classes is not None:
        if set(settings.id2label.values()) != set(classes):
            with torch.random.fork_rng():
                torch.manual_seed(config.seed)
                for name in head - set(loaded.fresh):  # of as many classes, but others
                    loaded.model.get_submodule(name).reset_parameters()  # type: ignore[operator]
            settings.id2label = dict(enumerate(classes))
        settings.label2id = {name: number for number, name in settings.id2label.items()}
    return loaded._replace(fresh=tuple(sorted(head | set(loaded.fresh))))


def _head(kind: Any, settings: Any, trust_remote_code: bool) -> set[str]:
    """The modules whose parameters change their shape with the number of classes."""
    larger = copy.deepcopy(settings)
    larger.num_labels += 1
    with torch.device("meta"):
        models = [
            kind.from_config(each, trust_remote_code=trust_remote_code)
            for each in (settings, larger)
        ]
    shapes = [{name: value.shape for name, value in model.named_parameters()} for model in models]
    return {
        name.rpartition(".")[0] for name, shape in shapes[0].items() if shape != shapes[1][name]
    }
