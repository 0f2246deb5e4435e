"""Models of any architecture at several widths: what grows, what stays, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from proxies.instruments.architectures import (
    at_width,
    check,
    check_width,
    default_widths,
    unit,
)
from tests.support.architectures import GPT2, MODELS, adapted, keep, rms

pytest.importorskip("transformers")
every_model = pytest.mark.parametrize("config", MODELS.values(), ids=MODELS)


@every_model
def test_a_wider_model_is_the_same_model_wider(config):
    base = unit(config)
    small, large = (at_width(config, n * base, 2, seed=1000) for n in (2, 4))
    assert torch.equal(small.ids, large.ids)
    assert large.direction.shape == (*large.ids.shape, 4 * base)
    layers = [dict(s.model.named_modules()) for s in (small, large)]
    assert layers[0].keys() == layers[1].keys()
    sizes = [s.model.config for s in (small, large)]
    heads = [size.hidden_size // size.num_attention_heads for size in sizes]  # type: ignore
    assert heads[0] == heads[1]
    check(config, 2)


@every_model
def test_inputs_of_layers_start_at_one_size(config):
    """Root mean squares change with width by less than their own noise; entries of a released start
    would not."""
    sizes = []
    for factor in (4, 16):
        setting = at_width(config, factor * unit(config), 1, seed=1000)
        layers, seen = adapted(setting, rank=2), {}
        for name, layer in layers.items():
            layer.register_forward_pre_hook(keep(seen, name))
        setting.loss(setting.model, setting.ids)
        sizes.append([rms(seen[name]) for name in layers if name in seen])
    growth = np.log(np.divide(*sizes)) / np.log(4)
    # mean over layers: worst of 12 seeds and 4 models 0.07; with weights of one standard deviation
    # 0.3 and more
    assert abs(growth.mean()) < 0.15


def test_embeddings_that_multiply_by_the_root_of_the_width_are_tamed():
    config = {
        "model_type": "gemma2",
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    }
    setting = at_width({**config, "head_dim": 16, "intermediate_size": 64}, 128, 1, seed=1000)
    words = setting.model.get_input_embeddings()  # type: ignore[operator]
    # float32: eps times the root of 1024 entries
    assert rms(words(setting.ids)) == pytest.approx(1, rel=1e-5)


def test_a_model_depends_on_its_seed_alone():
    outputs = []
    for noise, seed in ((0, 1000), (1, 1000), (0, 1001)):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        setting = at_width(GPT2, 48, 1, seed)
        assert torch.equal(torch.get_rng_state(), state)
        outputs.append(setting.loss(setting.model, setting.ids).item())
    assert outputs[0] == outputs[1] != outputs[2]


@given(
    heads=st.integers(1, 12),
    size=st.integers(1, 8),
    inner=st.integers(1, 200),
    groups=st.integers(1, 12),
    n=st.data(),
)
def test_unit_is_the_least_width_that_keeps_every_proportion(heads, size, inner, groups, n):
    fields = {
        "hidden_size": 2 * heads * size,
        "num_attention_heads": heads,
        "intermediate_size": inner,
    }
    config = {"model_type": "llama", **fields, "num_key_value_heads": groups}
    if heads % groups:
        config["num_key_value_heads"] = heads
    width = n.draw(st.integers(1, 6 * heads * size))
    whole = all(
        value * width % fields["hidden_size"] == 0
        for value in config.values()
        if isinstance(value, int)
    )
    assert (width % unit(config) == 0) == whole
    if whole:
        check_width(config, width)
    else:
        with pytest.raises(ValueError, match=f"multiple of {unit(config)}, got {width}"):
            check_width(config, width)
    first, *others = default_widths(config)
    assert first % unit(config) == 0
    assert 128 <= first < 128 + unit(config)
    assert others == [2 * first, 4 * first, 8 * first]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"model_type": "t5"}, "encoder with a decoder"),
        ({"model_type": "vit"}, "no vocab_size"),
        ({"model_type": "mamba"}, "no num_attention_heads"),
        (
            {"model_type": "mixtral", "hidden_size": 64, "num_attention_heads": 4},
            "MixtralTopKRouter",
        ),
        (
            {"model_type": "deepseek_v3"},
            "q_a_proj of deepseek_v3 is 1536 x 56 at width 56 and 1536 x 112 at twice",
        ),
        (
            {"model_type": "rembert"},
            "embedding_hidden_mapping_in .* fields known to grow, which are hidden_size",
        ),
        ({"model_type": "funnel"}, "cannot build funnel"),
        ({"model_type": "xlnet"}, "the model itself of xlnet"),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else "",
)
def test_what_cannot_be_widened_is_refused(config, complaint):
    with pytest.raises(ValueError, match=complaint):
        check(config, 1)
