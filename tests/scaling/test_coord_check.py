"""The coordinate check: its models, its features against plain autograd, its slopes, its claims and
its command."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lora
from loralab.claims import Verdict, judge
from proxies.families.lr_stability.claims.coordinates import COORDINATE_CLAIMS
from proxies.families.lr_stability.evidence import coordinates as coordinates_evidence
from proxies.instruments import architectures
from proxies.instruments.architectures import (
    SMALL_LLAMA,
    at_width,
    check,
    check_width,
    default_widths,
    unit,
)
from proxies.instruments.coordinates import QUANTITIES, coordinates, fitted, growth, trajectory
from scaling.coord_check import Config, main
from scaling.evaluation.coordinates import Result, faults
from theory.lr_stability import exponents

transformers = pytest.importorskip("transformers")
ROOT = Path(__file__).parents[2]
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 48,
    "n_head": 3,
    "n_layer": 3,
    "n_positions": 16,
    "vocab_size": 300,
}
BERT = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 40,
}
ROTATING = {
    **SMALL_LLAMA,
    "model_type": "qwen2",
    "layer_types": ["full_attention"] * 2,
    "num_key_value_heads": 2,
}
MODELS = {"llama": SMALL_LLAMA, "gpt2": GPT2, "bert": BERT, "qwen2": ROTATING}
every_model = pytest.mark.parametrize("config", MODELS.values(), ids=MODELS)


def adapted(setting, **config) -> dict[str, Any]:
    lora.attach(setting.model, lora.Config(**config))
    return lora.adapters(setting.model)


def rms(value: torch.Tensor) -> float:
    return value.square().mean().sqrt().item()


def keep(seen: dict[str, torch.Tensor], name: str) -> Any:
    return lambda _, inputs: seen.update({name: inputs[0].flatten(0, -2)})


# --- models


@every_model
def test_a_wider_model_is_the_same_model_wider(config):
    base = unit(config)
    small, large = (at_width(config, n * base, 2, seed=1000) for n in (2, 4))
    assert torch.equal(small.ids, large.ids)
    assert large.direction.shape == (*large.ids.shape, 4 * base)
    layers = [dict(s.model.named_modules()) for s in (small, large)]
    assert layers[0].keys() == layers[1].keys()
    heads = [
        s.model.config.hidden_size // s.model.config.num_attention_heads for s in (small, large)
    ]  # type: ignore
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


# --- features


@pytest.mark.parametrize("scheme", ["init_a", "init_b", "pissa"])
def test_a_trajectory_is_what_plain_autograd_gives(scheme):
    """One layer's own Adam written out, on the weight W + s (B A - B0 A0) in place of the
    adapter."""
    setting, steps, rates, beta = (
        at_width(SMALL_LLAMA, 64, 1, seed=1000),
        4,
        (0.02, 0.1),
        (0.9, 0.999),
    )
    layers = adapted(setting, rank=3, alpha=6, scheme=scheme)
    name = "layers.0.mlp.up_proj"
    found = trajectory(setting, [name], rates, steps)[name]

    layer = layers[name]
    s, B, A = 2.0, *(factor.detach().clone().requires_grad_() for factor in layer.factors())
    B0, A0 = B.detach().clone(), A.detach().clone()
    W = layer.base_layer.weight
    lora.detach(setting.model)
    seen: dict[str, torch.Tensor] = {}
    setting.model.get_submodule(name).register_forward_pre_hook(keep(seen, "x"))
    moments = [torch.zeros_like(p) for p in (A, B, A, B)]
    for t in range(1, steps + 1):
        weight = W + s * (B @ A - B0 @ A0)
        model, weights = setting.model, {f"{name}.weight": weight}
        h = torch.func.functional_call(
            model, weights, (), {"input_ids": setting.ids}
        ).last_hidden_state
        gradients = torch.autograd.grad((h * setting.direction).mean(), (A, B))
        old = {"A": A.detach().clone(), "B": B.detach().clone()}
        with torch.no_grad():
            for i, (p, g) in enumerate(zip((A, B), gradients, strict=True)):
                moments[i] = beta[0] * moments[i] + (1 - beta[0]) * g
                moments[2 + i] = beta[1] * moments[2 + i] + (1 - beta[1]) * g.square()
                direction = (
                    moments[i]
                    / (1 - beta[0] ** t)
                    / ((moments[2 + i] / (1 - beta[1] ** t)).sqrt() + 1e-30)
                )
                p -= rates[i] * direction
            x = seen["x"]
            dA, dB = A - old["A"], B - old["B"]
            expected = {
                "Z_A": x @ A.mT,
                "Z_B": s * x @ (B @ A - B0 @ A0).mT,
                "delta1": s * x @ (old["B"] @ dA).mT,
                "delta2": s * x @ (dB @ old["A"]).mT,
                "delta3": s * x @ (dB @ dA).mT,
            }
        # float32: 100 eps times sums of 64 terms; Adam magnifies an entry's error where its
        # gradient nearly vanishes
        assert {q: found[q][t - 1] for q in QUANTITIES} == pytest.approx(
            {q: rms(value) for q, value in expected.items()}, rel=2e-3, abs=1e-6
        )


@pytest.mark.parametrize("together", [False, True])
def test_training_moves_what_is_named_and_puts_it_back(together):
    setting = at_width(SMALL_LLAMA, 64, 2, seed=1000)
    layers = adapted(setting, rank=2, scheme="init_b")
    before = {name: [f.detach().clone() for f in layer.factors()] for name, layer in layers.items()}
    moved, trained = set(), list(layers) if together else ["layers.1.self_attn.k_proj"]

    def watch(module, _):
        moved.update(n for n, layer in layers.items() if not torch.equal(layer.A, before[n][1]))

    handle = setting.model.register_forward_pre_hook(watch)
    found = trajectory(setting, trained, (0.1, 0.1), 3)
    handle.remove()
    assert moved == set(trained) == found.keys()
    for name, layer in layers.items():
        assert all(torch.equal(a, b) for a, b in zip(layer.factors(), before[name], strict=True))
    assert not any(layer._forward_pre_hooks for layer in layers.values())


def test_layers_that_the_probe_does_not_see_are_left_out():
    found = coordinates(BERT, 32, 1000, "init_a", [-0.5, -0.5], 1, 2, 0.3, 1, False)
    assert found
    assert not any("pooler" in name for name in found)


def test_rates_are_powers_of_the_width():
    """Adam's first step moves every entry of B by k n^c_B, so that delta2 = s k n^c_B times a sum
    of +-Z_A."""
    ratios = []
    for c in (-1.0, 0.0):
        cell = coordinates(GPT2, 96, 1000, "init_a", [-0.5, c], 1, 1, 0.3, 1, False)
        ratios.append(np.array([series["delta2"][0] for series in cell.values()]))
    assert np.divide(*ratios) == pytest.approx(1 / 96, rel=1e-5)
    series = coordinates(GPT2, 96, 1000, "init_a", [-0.5, 0.0], 1, 1, 0.3, 1, False)[
        "h.0.attn.c_attn"
    ]
    # rank 1 and s = 1
    assert np.divide(series["delta2"][0], series["Z_A"][0]) == pytest.approx(0.3, rel=1e-5)  # type: ignore[arg-type]


# --- slopes


@given(
    c=st.floats(-2, 2),
    size=st.floats(1e-6, 1e6),
    widths=st.lists(st.integers(1, 5000), min_size=2, unique=True),
)
def test_growth_recovers_powers(c, size, widths):
    found = growth(widths, np.array([[size * n**c, 0.0] for n in widths]))
    # eps times the logarithms, which are below 40, over the spread of log n, which is above 1e-4
    assert found[0] == pytest.approx(c, abs=1e-7)
    assert found[1] == -math.inf


def test_growth_says_what_has_none():
    found = growth(
        [1, 2, 4], np.array([[1.0, 0.0, 1.0], [1.0, 1.0, math.inf], [math.nan, 1.0, 1.0]])
    )
    assert found[0] == found[2] == math.inf
    assert math.isnan(found[1])


def test_fitted_keeps_its_axes_apart():
    def cell(n: int, seed: int) -> dict:
        return {
            layer: {
                q: [n ** (0.1 * i + seed + layer / 4 + t / 8) for t in range(2)]
                for i, q in enumerate(QUANTITIES)
            }
            for layer in range(3)
        }

    found = fitted([8, 16, 64], [[cell(n, seed) for seed in (0, 1)] for n in (8, 16, 64)])
    seed, layer, i, t = np.indices((2, 3, 5, 2))
    assert found == pytest.approx(0.1 * i + seed + layer / 4 + t / 8)


# --- claims


def fake(case: str, **off: float) -> np.ndarray:
    """Slopes that are the exponents, plus what is asked for, with noise over seeds and layers that
    averages out."""
    scheme, c, _, _ = coordinates_evidence.CASES[case]
    steps = [exponents(scheme, steps=t) for t in range(1, coordinates_evidence.STEPS + 1)]
    exact = np.array(
        [[float(getattr(orders, q)(*c)) + off.get(q, 0.0) for orders in steps] for q in QUANTITIES]
    )
    noise = np.array([-0.02, 0.0, 0.02])[:, None] + np.array([-0.3, 0.3])
    return exact + noise[:, :, None, None]


def verdicts(**off: dict[str, float]) -> dict[str, list[Verdict]]:
    found = {case: fake(case, **off.get(case, {})) for case in coordinates_evidence.CASES}
    measured = coordinates_evidence.evidence(found)
    return {
        claim.id: [
            judge(check.criterion, m)
            for check, m in zip(claim.checks, measured[claim.id], strict=True)
            if m
        ]
        for claim in COORDINATE_CLAIMS
    }


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_slope_that_is_off_changes_its_own_verdict(quantity):
    right = verdicts()
    assert set(right["L13"] + right["L13b"] + right["L13c"]) == {Verdict.HOLDS}
    for sign in (-1, 1):
        wrong = verdicts(
            **{"LoRA+": {quantity: 0.3 * sign}, "Init[B], together": {quantity: 0.3 * sign}}
        )
        assert wrong["L13"] == [Verdict.HOLDS, Verdict.HOLDS, Verdict.REFUTED]
        assert wrong["L13b"] == right["L13b"]
        assert wrong["L13c"] == [
            Verdict.HOLDS,
            Verdict.REFUTED if sign > 0 else Verdict.HOLDS,
            *right["L13c"][2:],
        ]


def test_the_widest_interval_decides_and_each_step_is_its_own():
    found = {case: fake(case) for case in coordinates_evidence.CASES}
    Z_B, delta1 = QUANTITIES.index("Z_B"), QUANTITIES.index("delta1")
    noise = np.array([-0.2, 0.0, 0.2])[:, None, None]
    found["Init[A], together"][:, :, Z_B] += 0.05
    found["Init[A], together"][:, :, delta1] += noise - 0.01  # a lower mean, and a higher end
    found["Init[B], too fast"][:, :, Z_B, -1] -= 0.5
    measured = coordinates_evidence.evidence(found)
    assert [m.value for m in measured["L13c"][:2] if m] == pytest.approx([-0.01, 0])
    assert [m.value for m in measured["L13b"] if m] == pytest.approx([0, 0.5, 0.5])


def test_a_stable_failure_is_noticed():
    found = verdicts(**{"Init[B], too fast": {"Z_B": -0.5}})
    assert found["L13b"][:2] == [Verdict.REFUTED] * 2


def test_without_transformers_nothing_is_claimed():
    measured = coordinates_evidence.evidence({})
    assert {claim.id: len(claim.checks) for claim in COORDINATE_CLAIMS} == {
        k: len(v) for k, v in measured.items()
    }
    assert not any(m for checks in measured.values() for m in checks)


def test_cells_are_sorted_into_their_cases():
    """Every cell gets a number that tells its case, seed and width: none may land elsewhere."""

    class Memo:
        def map(self, function, cells):
            assert function is coordinates
            return [
                {
                    "layer": {
                        q: [c["width"] ** (c["seed"] / 10 + c["exponents"][1] + c["together"])]
                        for q in QUANTITIES
                    }
                }
                for c in cells
            ]

    found = coordinates_evidence.collect(Memo(), [4, 16], [1, 2])  # type: ignore[arg-type]
    for case, (_, c, _, together) in coordinates_evidence.CASES.items():
        assert found[case][:, 0, 0, 0] == pytest.approx(np.array([0.1, 0.2]) + c[1] + together)


# --- the command


def result(found, predicted) -> Result:
    return Result({}, [], np.array(found, float)[None, None, :, None], [predicted])


@settings(max_examples=200)
@given(
    off=st.lists(st.floats(-1, 1), min_size=5, max_size=5),
    c=st.lists(st.floats(-1, 0), min_size=5, max_size=5),
)
def test_faults_are_slopes_too_far_and_an_output_that_grows(off, c):
    found = np.add(off, c)
    named = {line.split()[0] for line in faults(result(found, c)) if "unstable" not in line}
    assert named == {
        q for q, slope, x in zip(QUANTITIES, found, c, strict=True) if abs(slope - x) > 0.15
    }
    assert any("unstable" in line for line in faults(result(found, c))) == (found[1] > 0.15)


def test_no_slope_is_a_fault_where_one_is_predicted():
    zero = -math.inf
    assert not faults(result([0, 0, zero, 0, 0], [0, 0, zero, 0, 0]))
    for bad in (zero, math.inf, math.nan):
        assert len(faults(result([bad, 0, 0, 0, 0], [0] * 5))) == 1
    assert len(faults(result([0, 0, 0, 0, 0], [0, 0, zero, 0, 0]))) == 1
    # an output that grows as it should according to theory is unstable all the same
    assert faults(result([0.5, 0.5, 0.5, 0, 0], [0.5, 0.5, 0.5, 0, 0])) == [
        "unstable: Z_B grows with width, slope 0.50"
    ]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A run store of its own, and one process."""
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LORALAB_JOBS", "1")


SMALL = ["--widths", "64", "128", "256", "--seeds", "2"]


def test_lora_plus_agrees(tmp_path, capsys):
    assert main([*SMALL, "--lr-exponents", "-1", "0", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "every slope is within 0.15" in said
    numbers = json.loads((tmp_path / "coord_check.json").read_text())
    assert numbers["agrees"]
    assert numbers["settings"]["widths"] == [64, 128, 256]
    assert np.array(numbers["slopes"], float).shape == (2, 14, 5, 6)
    assert len(numbers["sizes"]) == 3
    assert numbers["predicted"][0] == [0, 0, None, 0, None]  # A has no gradient at the first step
    assert numbers["predicted"][-1] == [0] * 5
    assert (tmp_path / "coord_check.png").read_bytes().startswith(b"\x89PNG")


def test_the_deliberate_failure_is_caught(tmp_path, capsys):
    assert (
        main(
            [*SMALL, "--scheme", "init_b", "--lr-exponents", "-0.5", "-0.5", "--out", str(tmp_path)]
        )
        == 1
    )
    assert "unstable: Z_B grows with width" in capsys.readouterr().out


def test_a_diverged_model_fails_and_is_written(tmp_path, capsys):
    arguments = ["--widths", "64", "128", "--seeds", "1", "--rate", "1e30", "--steps", "3"]
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    assert "infinite" in capsys.readouterr().out
    assert json.loads((tmp_path / "coord_check.json").read_text())["agrees"] is False


def test_a_configuration_file_is_read(tmp_path, capsys):
    transformers.GPT2Config(**{k: v for k, v in GPT2.items() if k != "model_type"}).save_pretrained(
        tmp_path
    )
    arguments = [
        "--widths",
        "48",
        "96",
        "--seeds",
        "1",
        "--steps",
        "3",
        "--blocks",
        "1",
        "--out",
        str(tmp_path),
    ]
    for source in (tmp_path, tmp_path / "config.json"):
        assert main(["--model-config", str(source), *arguments]) in (0, 1)
        assert "gpt2, init_a" in capsys.readouterr().out
        assert (
            "h.0.mlp.c_fc" in json.loads((tmp_path / "coord_check.json").read_text())["sizes"][0][0]
        )


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--nonsense", "1"], "unknown flag --nonsense"),
        (["--scheme", "init_c"], "--scheme must be one of init_a"),
        (["--widths", "128"], "at least two"),
        (["--widths", "256", "128"], "increasing"),
        (["--widths", "100", "200"], "multiple of 16, got 100"),
        (["--steps", "2"], "--steps must be at least 3"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--rate", "nan"], "--rate must be positive"),
        (["--model-config", "no-such-model"], "neither a file or folder"),
        (["--model-config", "README.md"], "is no configuration of transformers"),
        (["--model-config", "t5"], "encoder with a decoder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_is_one_sentence(flags, complaint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    try:
        code = main([*flags, "--out", str(tmp_path / "none")])
    except SystemExit as end:  # what tyro refuses itself
        code = end.code
    said = " ".join(capsys.readouterr().err.split())
    assert code == 2
    assert complaint in said
    assert "Traceback" not in said
    assert not (tmp_path / "none").exists()


def test_it_is_a_program():
    done = subprocess.run(
        [sys.executable, "scaling/coord_check.py", "--model-config", "no-such-model"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --model-config no-such-model is neither")


def test_without_transformers_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(architectures, "available", lambda: False)
    assert main([]) == 2
    assert "pip install 'loralab[llm]'" in capsys.readouterr().err


def test_the_defaults_are_the_largest_stable_rate():
    assert Config().lr_exponents is None
    assert Config().scheme == "init_a"
