"""Config: refuses what cannot be, names what it refuses, survives JSON."""

import copy
import inspect
import json
import math
import pickle
import pydoc
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora import SCHEMES, Config

NAMES = st.lists(st.sampled_from(["q_proj", "v_proj", "head"]), min_size=1, unique=True).map(tuple)


VALUES = {
    "rank": st.integers(1, 64),
    "alpha": st.floats(0.1, 100),
    "target_modules": st.one_of(st.just("all-linear"), NAMES),
    "modules_to_save": NAMES,
    "scheme": st.sampled_from(list(SCHEMES)),
    "dropout": st.floats(0, 0.99),
    "seed": st.integers(0, 2**40),
    "rank_stabilized": st.booleans(),
    "rank_pattern": st.dictionaries(st.sampled_from(["q_proj", "v.*"]), st.integers(1, 9)),
    "alpha_pattern": st.dictionaries(st.sampled_from(["q_proj", "v.*"]), st.floats(0.5, 9)),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_json_round_trip(values):
    config = Config(**values)
    assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 0}, "rank must be a positive integer, got 0"),
        ({"rank": 4.5}, "rank must be a positive integer, got 4.5"),
        ({"rank": True}, "rank must be a positive integer"),
        ({"alpha": 0}, "alpha must be a positive finite number, got 0"),
        ({"alpha": -1.0}, "alpha must be a positive finite number"),
        ({"alpha": math.inf}, "alpha must be a positive finite number"),
        ({"alpha": "16"}, "alpha must be a positive finite number"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"dropout": math.nan}, r"dropout must be in \[0, 1\)"),
        ({"seed": -1}, "seed must be a non-negative integer"),
        ({"scheme": "pisa"}, "unknown scheme 'pisa'; did you mean 'pissa'"),
        ({"variant": "plane"}, "unknown variant 'plane'; did you mean 'plain'"),
        ({"variant_options": {"width": 2}}, r"variant 'plain' has no options, got \['width'\]"),
        ({"train_a": False, "train_b": False}, "nothing would be trained"),
        ({"train_a": 1}, "train_a must be True or False"),
        ({"target_modules": ()}, "target_modules must name at least one module"),
        ({"target_modules": "q_(proj"}, "not a valid regular expression"),
        ({"modules_to_save": "head"}, "modules_to_save must be a list of names"),
        ({"exclude_modules": ("q_proj", 3)}, "exclude_modules must hold module names, got 3"),
        (
            {"rank_pattern": {"q_proj": -1}},
            r"rank_pattern\['q_proj'\] must be a non-negative integer, got -1",
        ),
        (
            {"alpha_pattern": {"q_(": 2.0}},
            "alpha_pattern has a key that is not a valid regular expression: 'q_",
        ),
        ({"target_modules": r"(a)\1"}, "target_modules is not .*back-references cannot be matched"),
        ({"rank_pattern": {"(?>a)": 2}}, "rank_pattern has a key .*atomic groups cannot"),
        ({"target_modules": None}, "target_modules must be a regular expression or a list of"),
        ({"target_modules": 7}, "target_modules must be .* got 7"),
        ({"exclude_modules": {"a": 1}}, "exclude_modules must be .* got {'a': 1}"),
        ({"modules_to_save": None}, "modules_to_save must be a list of names, got None"),
        ({"modules_to_save": b"head"}, "modules_to_save must be a list of names, got b'head'"),
        ({"scheme_options": 3}, "scheme_options must be a dict, got 3"),
        ({"scheme_options": {("a",): 1}}, "scheme_options must be a dict from names to values"),
        ({"scheme_options": {"a": {2: 1}}}, "scheme_options must be a dict from names to values"),
        ({"scheme_options": {"a": object()}}, "scheme_options must be a dict from names to values"),
        ({"variant_options": [1]}, r"variant_options must be a dict, got \[1\]"),
        ({"rank_pattern": {3: 4}}, "a key of rank_pattern must be a string, got 3"),
        ({"rank_pattern": []}, r"rank_pattern must be a dict, got \[\]"),
        ({"rank": 10**400}, "rank must be at most 2147483647, got an integer of 1329 bits"),
        ({"rank": 10**5000}, "rank must be at most 2147483647, got an integer of 16610 bits"),
        ({"rank_pattern": {"a": 10**400}}, r"rank_pattern\['a'\] must be at most 2147483647"),
        ({"alpha": 10**400}, "alpha must be from 1e-18 to 1e.18, got an integer of 1329 bits"),
        ({"alpha": 1e308}, "alpha must be from 1e-18 to 1e.18, got 1e.308"),
        ({"alpha": 5e-324}, "alpha must be from 1e-18 to 1e.18, got 5e-324"),
        ({"alpha_pattern": {"a": 1e200}}, r"alpha_pattern\['a'\] must be from 1e-18"),
        ({"dropout": 10**400}, r"dropout must be in \[0, 1\)"),
        ({"seed": 2**64}, "seed must be less than 2.64"),
        ({"scheme": ["pissa"]}, r"scheme must be a string, got \['pissa'\]"),
        ({"variant": None}, "variant must be a string, got None"),
        ({"r": 4}, "unknown config key 'r'; did you mean 'rank'?"),
        ({"lora_alpha": 4}, "unknown config key 'lora_alpha'; did you mean 'alpha'?"),
        ({"lora_dropout": 0.1}, "unknown config key 'lora_dropout'; did you mean 'dropout'?"),
        ({"use_rslora": True}, "unknown config key 'use_rslora'; did you mean 'rank_stabilized'?"),
        ({"use_dora": True}, "unknown config key 'use_dora'; did you mean 'variant'?"),
        ({"init_lora_weights": "pissa"}, "'init_lora_weights'; did you mean 'scheme'?"),
        ({"layers_to_transform": [1]}, "'layers_to_transform'; did you mean 'target_modules'?"),
        ({"target_module": ["q"]}, "'target_module'; did you mean 'target_modules'?"),
        ({"xyz": True}, "unknown config key 'xyz'; known: rank, alpha"),
    ],
)
def test_an_impossible_value_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        Config(**values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"rnk": 4}', "unknown config key 'rnk'; did you mean 'rank'"),
        ("[1]", "must be a JSON object, got list"),
        ("{", "must be JSON"),
        ('{"rank": ' + "9" * 5000 + "}", "must be JSON"),
        ("[" * 100_000, "must be JSON that is not nested too deep"),
        ('{"r": 4}', "unknown config key 'r'; did you mean 'rank'"),
        ('{"self": 4}', "unknown config key 'self'"),
        ('{"rank_pattern": null}', "rank_pattern must be a dict, got None"),
        (json.dumps({"rank": -2}), "rank must be a positive integer"),
    ],
)
def test_a_bad_json_config_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Config.from_json(text)


JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(max_size=4),
        st.just(10**400),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([f.name for f in fields(Config)]), JUNK, max_size=3))
@settings(max_examples=500)
def test_whatever_is_accepted_survives_json(values):
    try:
        config = Config(**values)
    except ValueError:
        return
    assert Config.from_json(config.to_json()) == config


def test_help_shows_the_settings():
    shown = inspect.signature(Config).parameters
    assert list(shown) == [f.name for f in fields(Config)]
    assert "rank: int = 8" in pydoc.plain(pydoc.render_doc(Config))


def test_a_config_can_be_changed_copied_and_pickled():
    config = Config(rank=3, rank_pattern={"q_proj": 2})
    assert replace(config, rank=4).rank == 4
    assert copy.deepcopy(config) == pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(ValueError, match="did you mean 'rank'"):
        replace(config, r=4)  # type: ignore[call-arg]


def test_a_set_of_names_gives_one_json_text():
    assert Config(target_modules={"b", "c", "a"}).target_modules == ("a", "b", "c")  # type: ignore[arg-type]


def test_config_is_frozen_and_keeps_no_foreign_dict():
    pattern = {"q_proj": 2}
    config = Config(rank_pattern=pattern)
    pattern["q_proj"] = 7
    assert config.rank_of("q_proj") == 2
    with pytest.raises(AttributeError):
        config.rank = 3  # type: ignore[misc]


def test_the_first_matching_pattern_wins_as_in_peft():
    name = "model.layers.1.self_attn.q_proj"
    assert Config(rank_pattern={"q_proj": 2, "layers.1.self_attn.q_proj": 6}).rank_of(name) == 2
    assert Config(rank_pattern={"layers.1.self_attn.q_proj": 6, "q_proj": 2}).rank_of(name) == 6
    assert Config(rank_pattern={"xq_proj": 6}).rank_of(name) == 8, (
        "a key means whole parts of a name"
    )


@given(st.integers(1, 64), st.floats(0.1, 100))
def test_scale(rank, alpha):
    assert Config(alpha=alpha).scale_of("any", rank) == alpha / rank
    assert Config(alpha=alpha, rank_stabilized=True).scale_of("any", rank) == alpha / math.sqrt(
        rank
    )
    assert Config(alpha_pattern={"any": 3.0}).scale_of("any", rank) == 3.0 / rank
