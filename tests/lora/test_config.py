"""Config: refuses what cannot be, names what it refuses, survives JSON."""

import json
import math

import pytest
from hypothesis import given
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
        ({"alpha_pattern": {"q_(": 2.0}}, "alpha_pattern has an invalid regular expression"),
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
        (json.dumps({"rank": -2}), "rank must be a positive integer"),
    ],
)
def test_a_bad_json_config_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Config.from_json(text)


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
