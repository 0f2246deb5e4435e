"""What advice says there is to type does what it recommends."""

import json
import shlex
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import lora
from loralab import flags
from loralab.flags import words_of
from scaling.advice.confidence import UNWEIGHED, not_weighed, records, sure
from scaling.advice.ready import (
    finetune_line,
    grid_of,
    peft_line,
    recommended,
    short,
    sweep_line,
)
from scaling.core.config import Config
from scaling.training.experiment import groups_of

peft: Any = pytest.importorskip("peft")
RATES = [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3]
EVA = {"scheme": "eva", "scheme_options": {"center": False}, "rates": RATES}
CONFIG = Config.of(
    model="a folder",
    columns=("text", "label"),
    steps=7,
    rank=3,
    train_a=False,
    scheme="orthogonal",
    rank_stabilized=True,
    rank_pattern={"key": 2},
)


def read(line: str) -> dict:
    program, command, *words = shlex.split(line)
    assert program == "loralab"
    found = flags.read(groups_of(command), "", None, words)
    return {name: value for group in found.values() for name, value in group.items()}


def swept(run: Config) -> dict:
    return read(sweep_line(run, grid_of(run, RATES)))


def test_the_command_of_a_run_is_that_run():
    run = recommended(CONFIG, EVA)
    found = read(finetune_line(run))
    assert Config.of(**{name: found[name] for name in run.flat()}) == run
    assert (run.training.lr, run.adapter.scheme) == (1e-3, "eva")
    assert read(finetune_line(run.replace(lr=2.5e-4)))["lr"] == 2.5e-4
    assert run.adapter.train_a, "the frozen factor was the other scheme's"
    same = recommended(CONFIG.replace(scheme="init_a"), {"scheme": "init_a", "rates": RATES})
    assert not same.adapter.train_a


def test_the_sweep_has_the_default_initialization_beside_the_recommended_one():
    found = swept(recommended(CONFIG, EVA | {"scheme_options": {}}))
    assert (found["schemes"], found["rates"]) == (("init_a", "eva"), tuple(RATES))
    assert (found["rank"], found["steps"], found["model"]) == (3, 7, "a folder")
    default = recommended(CONFIG, {"scheme": "init_a", "rates": RATES})
    assert swept(default)["schemes"] == ("init_a",)
    found = swept(recommended(CONFIG, EVA))
    assert found["schemes"] == ("init_a", "eva")
    assert found["scheme_options"] == {"center": False}, "which a sweep gives to eva alone"


def test_words_are_read_back():
    groups = groups_of("finetune")
    values = {"tie": True, "train_b": False, "columns": (), "hold_out": ("a", "b c"), "lr": 1e-5}
    values |= {"scheme_options": {"rho": 2.0}, "target_modules": ("q",), "micro_batch": 4}
    assert words_of(groups, {"rank": 8, "train_a": True}) == [], "the defaults"
    found = flags.read(groups, "", None, words_of(groups, values))
    every = {name: value for group in found.values() for name, value in group.items()}
    assert {name: every[name] for name in values} == values


class Two(nn.Module):
    """Layers of which one end of a name means two, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.ModuleDict({"query": nn.Linear(8, 8), "key": nn.Linear(8, 8)})
        self.two = nn.ModuleDict({"query": nn.Linear(8, 8), "other": nn.Linear(8, 8)})
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.one["key"](self.one["query"](x))
        return self.head(self.two["other"](self.two["query"](x)))


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"target_modules": ("query", "key")},
        {"target_modules": ("one.query", "key"), "rank_stabilized": True, "dropout": 0.5},
        {"modules_to_save": ("head",), "rank_pattern": {"key": 2}, "alpha_pattern": {"other": 3.0}},
        {"variant": "dora", "exclude_modules": ("other",)},
    ],
    ids=str,
)
def test_the_config_of_peft_makes_the_adapter_that_is_recommended(own, tmp_path):
    """The same layers, ranks and scales: what `lora.save` writes of it, field by field."""
    config = Config.of(rank=3, alpha=5.0, **own)
    model, plain = Two(), Two()
    names = [name for name, _ in plain.named_modules()]
    lora.attach(model, config.adapter)
    lora.save(model, tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    line = peft_line(config, saved, names)
    made = eval(line, {"peft": peft})
    assert (made.init_lora_weights, made.bias) == (True, "none")
    for name in ("r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "fan_in_fan_out"):
        assert getattr(made, name) == saved[name], name
    wrapped = peft.get_peft_model(plain, made)
    theirs = {
        name.removeprefix("base_model.model."): (module.r["default"], module.scaling["default"])
        for name, module in wrapped.named_modules()
        if isinstance(module, peft.tuners.lora.Linear)
    }
    ours = {name: (layer.rank, layer.scale) for name, layer in lora.adapters(model).items()}
    assert theirs.keys() == ours.keys()
    for name, (rank, scale) in ours.items():
        assert theirs[name][0] == rank
        assert theirs[name][1] == pytest.approx(scale, rel=4 * torch.finfo(torch.float64).eps)
    assert (made.modules_to_save or None) == saved["modules_to_save"]


def test_names_are_short_where_they_mean_the_same():
    assert short(["a.q", "b.q"], ["a", "a.q", "b", "b.q"]) == ["q"]
    assert short(["a.q"], ["a", "a.q", "b", "b.q"]) == ["a.q"]
    assert short("a|b", ["a", "b"]) == "a|b"


def test_what_peft_has_no_config_for_is_said():
    described = {"r": 3, "lora_alpha": 5.0, "target_modules": ["q"], "task_type": None}
    described |= {"lora_dropout": 0.0, "use_rslora": False, "use_dora": False, "bias": "none"}
    described |= {"fan_in_fan_out": False, "rank_pattern": {}, "alpha_pattern": {}}
    described |= {"modules_to_save": None}
    frozen = peft_line(Config.of(train_a=False), described, ["q"])
    assert frozen == "# no peft.LoraConfig: PEFT has no frozen factor"
    variant = peft_line(Config.of(variant="overparam"), described, ["q"])
    assert variant == "# no peft.LoraConfig: PEFT has no variant overparam"
    eva = peft_line(Config.of(scheme="eva", scheme_options={"center": False}), described, ["q"])
    assert eva.splitlines()[1] == (
        "# and then: lora.initialize_peft(peft_model, 'eva', batches, center=False)"
    )
    words = shlex.split(eva.splitlines()[2].partition(": loralab init ")[2])
    found = flags.read(groups_of("init"), "", None, words)
    every = {name: value for group in found.values() for name, value in group.items()}
    assert (every["scheme"], every["scheme_options"]) == ("eva", {"center": False})
    assert every["out"].name == "my-start"


def test_how_sure_follows_the_ledger():
    rows = records()
    assert sure(["A15", "A11b"], rows) == (
        f"A15 {rows['A15'].verdict} (simulation); A11b {rows['A11b'].verdict} (small network)"
    )
    assert sure([], rows) == ""
    both: Any = {
        "C": SimpleNamespace(
            verdict=None,
            claim=SimpleNamespace(
                scope="law",
                checks=[
                    SimpleNamespace(scope=None),
                    SimpleNamespace(scope="encoder"),
                    SimpleNamespace(scope="law"),
                ],
            ),
        )
    }
    assert sure(["C"], both) == "C not measured (law, encoder)"
    for _, claims in UNWEIGHED.values():
        assert {*claims} <= rows.keys()


def test_every_scheme_is_weighed_or_said_not_to_be():
    said = not_weighed({"init_a", "eva"}, records())
    names = set(said.replace("(", " ").replace(",", " ").replace(":", " ").split())
    assert {name for name in lora.SCHEMES if name not in ("init_a", "eva")} <= names
    assert "\n" not in said
    assert "init_b, gaussian, orthogonal (random as init_a" in said
    assert "corda (nothing that is measured here tells it from EVA" in said
