"""The settings of a run: nested as a value, flat for whoever writes them."""

import json
from dataclasses import fields

import pytest

import lora
from loralab.flags import descriptions
from scaling.core import settings
from scaling.core.config import GROUP_OF, GROUPS, Config
from scaling.training import command


def test_every_setting_has_one_name_and_comes_back():
    assert sum(len(fields(kind)) for kind in GROUPS.values()) == len(GROUP_OF), "a name twice"
    given = {
        "task": "causal_lm",
        "lr": 0.1,
        "rank": 2,
        "seed": 5,
        "train_a": False,
        "target_modules": ("query", "key"),
        "scheme_options": {"rho": 2.0},
        "micro_batch": 4,
    }
    config = Config.of(**given)
    assert given.items() <= config.flat().items()
    assert (config.data.task, config.training.lr, config.run.micro_batch) == ("causal_lm", 0.1, 4)
    assert (config.adapter.rank, config.seed) == (2, 5)
    assert Config.of(**config.flat()) == config
    assert Config.of(**json.loads(json.dumps(config.as_json()))) == config


def test_all_linear_is_a_list_of_one_in_the_flat_form():
    """As the flag is read, and as run.json has it."""
    assert Config().flat()["target_modules"] == ("all-linear",)
    for written in ("all-linear", ("all-linear",), ["all-linear"]):
        assert Config.of(target_modules=written).adapter == lora.Config()
    assert Config.of(target_modules=["query"]).adapter.target_modules == ("query",)


def test_paths_are_names(tmp_path):
    assert Config.of(train=tmp_path) == Config.of(train=str(tmp_path))


WRONG = {
    "rnak": (4, "there is no setting 'rnak'; did you mean 'rank'?"),
    "lora_alpha": (4, "there is no setting 'lora_alpha'; here it is 'alpha'"),
    "rank": (0, "rank must be a positive integer, got 0"),
    "lr": (-1.0, "lr must be positive and finite, got -1.0"),
    "micro_batch": (5, "micro_batch must divide the batch of 32, got 5"),
    "hold_out": (("domain",), "hold_out must be a column and at least one value of it"),
    "patience": (2, "patience counts validations: set validate_every too"),
    "optimizer": ("adam", "unknown optimizer 'adam'; did you mean 'adamw'?"),
    "precision": ("float8", "precision must be one of auto, float32, bfloat16, float16, got"),
    "limit": (0, "limit must be at least 1, got 0"),
    "model": ("", "model must be a name or a path, got ''"),
    "train": (" ", "train must be a name or a path, got ' '"),
    "test": ("", "test must be a name or a path, got ''"),
    "scheme": ("evaa", "unknown scheme 'evaa'; did you mean 'eva'?"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_one_sentence(name):
    value, message = WRONG[name]
    with pytest.raises(ValueError, match="^" + message.replace("?", r"\?").replace("(", r"\(")):
        Config.of(**{name: value})


def test_every_flag_has_a_description():
    texts = [descriptions(kind) for kind in settings.GROUPS.values()]
    assert [name for text in texts for name in text if text[name]] == list(GROUP_OF)


def test_the_flags_are_the_settings():
    """Flags are made without torch, so what they say of lora.Config and of lora's tables is written
    or read beside them."""
    flags = {
        name: group.default(f)
        for kind, group in command.groups().items()
        if kind != "file"
        for f in fields(group.kind)
        for name in [f.name]
    }
    assert list(flags.items()) == list(Config().flat().items())
    assert tuple(lora.SCHEMES) == settings.SCHEMES
    assert tuple(lora.VARIANTS) == settings.VARIANTS
    assert ("adamw", *lora.OPTIMIZERS) == settings.OPTIMIZERS


@pytest.mark.parametrize("name", ["finetune", "sweep", "init", "advise"])
def test_what_a_command_hides_are_settings(name):
    module = pytest.importorskip(f"scaling.{name}")
    assert set(getattr(module, "HIDDEN", ())) <= GROUP_OF.keys()
