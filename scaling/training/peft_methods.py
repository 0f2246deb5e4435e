"""Methods of PEFT, trained in place of an adapter of this library by the same protocol.

PEFT changes the layers inside the task's model, which stays what is trained and evaluated; PEFT's
own wrapper is kept to save the adapter. So what PEFT does beside its layers is done here: AdaLoRA's
penalty and the budgets that are updated after every step. A method that is no change of layers
(prompts, mixtures with a forward pass of their own) is refused.
"""

import warnings
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

import lora
from lora.patterns import matches, suggestion
from lora.report import numbers
from lora.targets import ALL_LINEAR, targets
from scaling.core import outputs, processes, state
from scaling.core.config import Config, peft_settings
from scaling.core.quiet import quiet
from scaling.core.task import Loaded
from scaling.training.adapting import Adapted, adamw
from scaling.training.job import Job

NAME = "default"  # PEFT's for an adapter that is given none
# methods of certain layers: PEFT chooses them
OWN_TARGETS = ("IA3", "LN_TUNING", "TRAINABLE_TOKENS")
# as init_lora_weights: they subtract the initial B A from the base weight
CHANGE_THE_BASE = ("pissa", "olora", "loftq", "corda", "lora_ga")
REFUSALS = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ImportError,
    RuntimeError,
    AssertionError,
)


def check(config: Config) -> None:
    """Raise ValueError for a file that is no configuration of a PEFT method of layers."""
    if processes.launched() > 1:
        raise ValueError("peft is trained in a single process: start it without torchrun")
    _configuration(config)


def fits(config: Config, loaded: Loaded) -> None:
    """Raise ValueError where the layers of the config's PEFT file are not those of the model."""
    _name_layers(config, _configuration(config), loaded.model, loaded.fresh)


def attach(job: Job) -> Adapted:
    return _put_on(job, _configuration(job.config))


def resume(job: Job, checkpoint: Path) -> Adapted:
    raise AssertionError("a run of PEFT's has no checkpoint: see `Adapted.resumable`")


def _configuration(config: Config) -> Any:
    """PEFT's config object of the file, for training; raises ValueError."""
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as CONFIGS
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING as TUNERS
    from peft.tuners.tuners_utils import BaseTuner

    values, file = peft_settings(config), config.training.peft
    named, kinds = values.pop("peft_type", None), {kind.value: kind for kind in CONFIGS}
    if named not in kinds:
        hint = suggestion(str(named), tuple(kinds)) or f"; known: {', '.join(kinds)}"
        raise ValueError(f"{file}: unknown peft_type {named!r}{hint}")
    made, tuner = CONFIGS[kinds[named]], TUNERS.get(kinds[named])
    layered = isinstance(tuner, type) and issubclass(tuner, BaseTuner)
    if not layered or ("forward" in vars(tuner) and tuner is not peft.AdaLoraModel):
        raise ValueError(
            f"{file}: {named} does not change layers alone; peft must be an adapter of layers"
        )
    known = tuple(f.name for f in fields(made) if f.init)
    for key in values:
        if key not in known:
            raise ValueError(f"{file}: {named} has no setting {key!r}{suggestion(key, known)}")
    if values.get("alora_invocation_tokens") or values.get("init_lora_weights") == "eva":
        raise ValueError(
            f"{file}: activated LoRA and EVA's initialization need passes of PEFT's own, which "
            "are not made here"
        )
    # What a file that PEFT wrote says of another model, and of use instead of training.
    values |= {"task_type": None, "base_model_name_or_path": None, "inference_mode": False}
    values |= {
        name: None for name in ("auto_mapping", "revision", "peft_version") if name in values
    }
    begun = str(values.get("init_lora_weights")).lower().partition("_niter")[0]
    if config.training.quantize is not None and begun in CHANGE_THE_BASE:
        raise ValueError(
            f"{file}: init_lora_weights {begun!r} would change the base weight, and a quantised "
            "one cannot hold the change; leave quantize out, or take a scheme of this library, "
            "none of which changes the weight"
        )
    if "total_step" in known and values.get("total_step") is None:
        values["total_step"] = config.training.steps
    with _sentence(file):
        return made(**values)


class _sentence:
    """Turns what PEFT refuses into a ValueError of one sentence that names the file."""

    def __init__(self, file: str | None) -> None:
        self.file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, REFUSALS):
            said = " ".join(str(error).split()).split(". ")[0].rstrip(".")
            raise ValueError(
                f"{self.file}: PEFT refuses it: {said or type(error).__name__}"
            ) from error


def _put_on(job: Job, made: Any) -> Adapted:
    from peft import get_peft_model

    config, (model, _, fresh) = job.config, job.loaded
    _name_layers(config, made, model, fresh)
    before = {id(tensor) for _, tensor in _tensors(model)}
    with _sentence(config.training.peft), quiet(), torch.random.fork_rng():
        torch.manual_seed(config.seed)
        wrapped = get_peft_model(model, made)  # type: ignore[arg-type]
    named = tuple(
        name for name, tensor in _tensors(model) if id(tensor) not in before or tensor.requires_grad
    )
    setattr(model, state.NAMED, named)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError(
            f"{config.training.peft}: {made.peft_type.value} leaves nothing of the model to train"
        )
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dtype == torch.bfloat16:
            raise ValueError(
                f"{config.training.peft}: {made.peft_type.value} would train {name} in bfloat16, "
                "which loses small steps: use --precision float32"
            )
    count, total = (sum(map(numbers, some)) for some in (trained, model.parameters()))
    tuner: Any = wrapped.base_model
    allocate: Any = getattr(tuner, "update_and_allocate", None)
    return Adapted(
        summary=f"PEFT's {made.peft_type.value}: {count:,} of {total:,} parameters are trained "
        f"({count / total:.2%})",
        trainable=count,
        optimizer=lambda: adamw(config, trained),
        callbacks=lambda optimizer: [] if allocate is None else [Allocate(allocate)],
        save=partial(_save, wrapped),
        penalty=partial(penalty, tuner)
        if made.peft_type == "ADALORA" and made.orth_reg_weight
        else None,
        resumable=False,
    )


def _name_layers(config: Config, made: Any, model: nn.Module, fresh: tuple[str, ...]) -> None:
    """Have it adapt the layers that this library would where the file does not say which, and train
    the newly initialized ones whole."""
    known, file = {f.name for f in fields(made)}, config.training.peft
    if fresh:
        if "modules_to_save" not in known:
            raise ValueError(
                f"{file}: {made.peft_type.value} cannot train the newly initialized {fresh[0]} of "
                "the model"
            )
        made.modules_to_save = list(dict.fromkeys((*(made.modules_to_save or ()), *fresh)))
    given = made.target_modules
    if given == ALL_LINEAR or (given is None and made.peft_type not in OWN_TARGETS):
        whole = tuple(made.modules_to_save or ()) if "modules_to_save" in known else ()
        layers, _ = targets(model, lora.Config(modules_to_save=whole))
        made.target_modules = set(layers)
    elif given is not None:
        names = given if isinstance(given, str) else tuple(sorted(given))
        if not any(matches(names, name) for name, _ in model.named_modules()):
            raise ValueError(f"{file}: the model has no module of target_modules {names!r}")


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


class Allocate(TrainerCallback):
    """Has a method with a budget of ranks share it out anew, after the optimiser's step and before
    the gradients, which it looks at, are gone. Steps count from 0, as PEFT's do."""

    def __init__(self, allocate: Callable[[int], None]) -> None:
        self.allocate = allocate

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.allocate(state.global_step)


def penalty(tuner: Any) -> Tensor:
    """AdaLoRA's on factors that are not orthogonal, weight * mean of |A A^T - I|_F and |B^T B -
    I|_F over all layers (arXiv:2303.10512, (4), with norms that PEFT does not square)."""
    norms = []
    for layer in tuner.modules():
        if isinstance(layer, _adalora_layer()):
            for P in (layer.lora_A[NAME], layer.lora_B[NAME].mT):
                norms.append(
                    torch.linalg.matrix_norm(
                        P @ P.mT - torch.eye(len(P), dtype=P.dtype, device=P.device)
                    )
                )
    return tuner.peft_config[NAME].orth_reg_weight * torch.stack(norms).mean()


def _adalora_layer() -> type:
    from peft.tuners.adalora.layer import AdaLoraLayer

    return AdaLoraLayer


def _save(wrapped: Any, folder: Path) -> None:
    """PEFT's files, whole or not at all."""
    _record_ranks(wrapped)
    with outputs.whole_folder(folder) as partial, quiet(), warnings.catch_warnings():
        # layers to which AdaLoRA has left no rank
        warnings.filterwarnings("ignore", ".*have invalid shape")
        wrapped.save_pretrained(str(partial), save_embedding_layers=False)


def _record_ranks(wrapped: Any) -> None:
    """AdaLoRA drops the ranks that its config says are masked: those of the state that is saved,
    which may be the best of an earlier step."""
    settings = wrapped.peft_config[NAME]
    if settings.peft_type == "ADALORA" and settings.rank_pattern:
        settings.rank_pattern = {
            f"{name}.lora_E.{NAME}": (layer.lora_E[NAME] != 0).flatten().tolist()
            for name, layer in wrapped.base_model.model.named_modules()
            if isinstance(layer, _adalora_layer())
        }
