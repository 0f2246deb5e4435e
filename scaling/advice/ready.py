"""A recommendation as what there is to type: a sweep, a run, and PEFT's config of its adapter."""

import shlex
from typing import Any

import lora
from lora.patterns import matches
from loralab.flags import words_of
from scaling.comparison.axes import Grid
from scaling.core.config import Config
from scaling.training.experiment import groups_of

NO_SWITCH = "# no peft.LoraConfig: PEFT has no "
# what a LoraConfig need not be told: they are its defaults
UNSAID = {"lora_dropout": 0.0, "use_rslora": False, "use_dora": False, "fan_in_fan_out": False}
UNSAID |= {"rank_pattern": {}, "alpha_pattern": {}, "modules_to_save": None, "bias": "none"}


def recommended(config: Config, chosen: dict[str, Any]) -> Config:
    """The run with the initialization and the learning rate that are recommended.

    Args:
        config: the run that advice was asked about.
        chosen: the recommendation, by choice.
    """
    rates = chosen["rates"]
    own = {"scheme": chosen["scheme"], "scheme_options": chosen.get("scheme_options", {})}
    if chosen["scheme"] != config.adapter.scheme:
        own |= {"train_a": True, "train_b": True}
    return config.replace(**own, lr=rates[len(rates) // 2])


def grid_of(config: Config, rates: list[float]) -> Grid:
    """The sweep that compares the recommended initialization with the default one."""
    schemes = dict.fromkeys(("init_a", config.adapter.scheme))
    return Grid(schemes=tuple(schemes), rates=tuple(rates))


def sweep_line(config: Config, grid: Grid) -> str:
    """The command of that sweep."""
    left = {"scheme", "lr", "seed"}
    run = {name: value for name, value in config.flat().items() if name not in left}
    return _line("sweep", run | {"schemes": grid.schemes, "rates": grid.rates})


def finetune_line(config: Config) -> str:
    """The command that trains the recommended run."""
    chosen = {"scheme", "lr"}  # said even where they are as by default
    rest = {name: value for name, value in config.flat().items() if name not in chosen}
    own = ["--scheme", config.adapter.scheme, "--lr", f"{config.training.lr:g}"]
    return _line("finetune", rest, *own)


def _line(command: str, values: dict[str, Any], *more: str) -> str:
    return shlex.join(["loralab", command, *words_of(groups_of(command), values), *more])


def peft_line(config: Config, described: dict[str, Any], modules: list[str]) -> str:
    """PEFT's config of the recommended adapter, as Python, or why there is none.

    Args:
        config: the recommended run.
        described: the adapter_config.json that `lora.save` would write of it.
        modules: the names of all modules of the model.
    """
    adapter = config.adapter
    if not (adapter.train_a and adapter.train_b):
        return f"{NO_SWITCH}frozen factor"
    if lora.VARIANTS[adapter.variant].exported_as != adapter.variant:
        return f"{NO_SWITCH}variant {adapter.variant}"
    named = {"r": described["r"], "lora_alpha": described["lora_alpha"]}
    named["target_modules"] = short(described["target_modules"], modules)
    named |= {name: described[name] for name, usual in UNSAID.items() if described[name] != usual}
    if described["task_type"]:
        named["task_type"] = described["task_type"]
    line = f"peft.LoraConfig({', '.join(f'{name}={value!r}' for name, value in named.items())})"
    if adapter.scheme == "init_a":
        return line  # PEFT's own initialization
    options = "".join(f", {name}={value!r}" for name, value in adapter.scheme_options.items())
    call = f"lora.initialize_peft(peft_model, {adapter.scheme!r}, batches{options})"
    return f"{line}\n# and then: {call}\n# or load what this writes: {init_line(config)}"


def init_line(config: Config) -> str:
    """The command that writes the recommended initialization as an adapter of PEFT."""
    rest = {name: value for name, value in config.flat().items() if name != "scheme"}
    return _line("init", rest, "--scheme", config.adapter.scheme, "--out", "my-start")


def short(names: list[str] | str, modules: list[str]) -> list[str] | str:
    """The ends of these names where they mean the same modules, as PEFT reads them."""
    if isinstance(names, str):
        return names
    ends = tuple(dict.fromkeys(name.rpartition(".")[2] for name in names))
    meant = {name for name in modules if matches(ends, name)}
    return list(ends) if meant == {*names} else names
