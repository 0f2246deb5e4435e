"""`loralab advise`: every number against a dense computation of its own, the rules against the
ledger, the command."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("transformers")

import lora
from loralab import recorded
from loralab.families import proxies
from scaling import advise as command
from scaling.advice import advice, costs, rates, sample
from scaling.advice.diagnostics import diagnose, explained, outside, signal
from scaling.advice.recommendation import RULES, Facts, recommend, sweep
from scaling.core.config import Config
from tests.support.finetuning import arguments, tiny_bert, without_store, word_tokenizer
from tests.support.models import llama
from tests.support.text_rows import WORDS, rows
from theory.asymmetry.freezing import which_to_freeze
from theory.gradient_signal import optimum as theory

DEEP = torch.float64
RANK = 2


class Net(nn.Module):
    """Two layers, with tanh between them or nothing."""

    def __init__(self, bend: bool = True) -> None:
        super().__init__()
        self.up, self.bend, self.down = (
            nn.Linear(6, 8),
            nn.Tanh() if bend else nn.Identity(),
            nn.Linear(8, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.bend(self.up(x)))


def net(bend: bool = True, dtype: torch.dtype = DEEP) -> Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Net(bend).to(dtype)


def squares(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return (model(batch["x"]) - batch["y"]).square().mean()


def data(count: int = 4, tokens: int = 40, dtype: torch.dtype = DEEP) -> list[dict[str, Tensor]]:
    """Batches whose inputs have a mean and a spectrum."""
    rng = torch.Generator().manual_seed(2)
    size = torch.tensor([3.0, 2.0, 1.0, 0.6, 0.3, 0.1], dtype=DEEP)
    made = []
    for k in range(count):
        x = 0.5 + size * torch.randn(tokens + k, 6, generator=rng, dtype=DEEP)
        made.append(
            {"x": x.to(dtype), "y": torch.randn(tokens + k, 3, generator=rng, dtype=DEEP).to(dtype)}
        )
    return made


class Tokens:
    """Inputs x (n, in) and gradients g = n dL/dh (n, out) of one layer on some batches, by plain
    autograd."""

    def __init__(self, model: Net, layer: str, batches: list[dict[str, Tensor]]) -> None:
        x, g = [], []
        for batch in batches:
            h = model.up(batch["x"]).detach().requires_grad_()
            bent = model.bend(h)
            out = model.down(bent)
            loss = (out - batch["y"]).square().mean()
            into, at = {"up": (batch["x"], h), "down": (bent, out)}[layer]
            g.append(len(out) * torch.autograd.grad(loss, at)[0])
            x.append(into.detach())
        self.x, self.g = torch.cat(x).numpy(), torch.cat(g).numpy()

    @property
    def M(self) -> np.ndarray:
        return self.x.T @ self.x / len(self.x)

    @property
    def C(self) -> np.ndarray:
        return np.cov(self.x.T, bias=True)

    @property
    def Q(self) -> np.ndarray:
        return (self.x * (self.g**2).sum(1)[:, None]).T @ self.x / len(self.x)

    @property
    def G(self) -> np.ndarray:
        return self.g.T @ self.x / len(self.x)


# Float64 throughout: what differs is the order of sums and the angle of an eigenvector, eps over
# the relative gap of neighbouring eigenvalues, here 1e-2 at the least. Measured 2e-13.
NEAR: Any = {"rel": 1e-10, "abs": 1e-12}


@pytest.fixture(scope="module", params=["up", "down"])
def looked(request) -> tuple[sample.Layer, Tokens, Tokens, Tokens]:
    """A layer as `probe` shows it, and its tokens on the even batches, the odd ones and all."""
    model, batches, name = net(), data(), request.param
    [layer] = sample.probe(model, [name], batches, squares)
    return layer, *(Tokens(model, name, part) for part in (batches[::2], batches[1::2], batches))  # type: ignore[return-value]


def test_explained_variance_is_judged_by_the_other_half(looked):
    layer, even, odd, _ = looked
    dense = [
        np.trace(theory.top(a.C, RANK) @ b.C @ theory.top(a.C, RANK).T) / np.trace(b.C)
        for a, b in ((even, odd), (odd, even))
    ]
    assert explained(layer, RANK) == pytest.approx(np.mean(dense), **NEAR)


def test_what_centring_loses_lies_outside_the_rows(looked):
    layer, _, _, every = looked
    V, mu = theory.top(every.C, RANK), every.x.mean(0)
    dense = np.sum((mu - V.T @ (V @ mu)) ** 2) / np.trace(every.M)
    assert dense > 1e-4, "the mean lies in the rows, or the test shows nothing"
    assert outside(layer.inputs, RANK) == pytest.approx(dense, **NEAR)


def test_the_signal_is_a_share_of_the_gradient_optimum(looked):
    layer, even, odd, _ = looked
    dense = []
    for a, b in ((even, odd), (odd, even)):
        best = theory.signal(theory.top(a.Q, RANK), b.Q)
        values = [theory.signal(theory.top(S, RANK), b.Q) for S in (a.C, a.M)]
        dense.append([v / best for v in (*values, RANK / len(b.Q) * np.trace(b.Q))])
    assert signal(layer, RANK) == pytest.approx(np.mean(dense, 0), **NEAR)


def test_a_random_start_expects_its_share():
    [layer] = sample.probe(net(), ["up"], data(), squares)
    draws = torch.linalg.qr(
        torch.randn(4000, 6, RANK, generator=torch.Generator().manual_seed(0), dtype=DEEP)
    ).Q
    shares = []
    for fitted, judge in (layer.halves, layer.halves[::-1]):
        Q, best = judge.weighted_second_moment, fitted.signal_axes(RANK)[1]
        assert Q is not None
        shares.append(
            torch.einsum("nir,ij,njr->n", draws, Q, draws)
            / torch.einsum("ir,ij,jr->", best, Q, best)
        )
    mean = torch.stack(shares).mean(0)
    assert abs(mean.mean() - signal(layer, RANK)[2]) < 4 * mean.std() / len(mean) ** 0.5


def test_which_factor_to_freeze_is_the_theorys_from_dense_moments(looked):
    layer, even, odd, every = looked
    [found] = diagnose([layer], lora.Config(rank=RANK, target_modules=(layer.name,)))
    expected = which_to_freeze(every.M, every.g.T @ every.g, (even.G, odd.G), RANK)
    # The same formula divides by eigenvalues down to 1e-3 of the largest, of H and of M: eps times
    # both, and sums.
    assert found.tune_b == pytest.approx(expected.tune_b, rel=1e-8)
    assert found.tune_a == pytest.approx(expected.tune_a, rel=1e-8)
    assert found.sign == pytest.approx(expected.sign, rel=1e-8)
    assert found.freeze == expected.freeze
    assert found.tokens == len(every.x)


def test_layers_are_of_every_kind_and_depth():
    def module(out: int) -> nn.Module:
        return nn.Linear(8, out, device="meta")

    layers = {
        f"block.{k}.{name}": module(out)
        for k in range(6)
        for name, out in (("q", 8), ("up", sample.WIDE + 1))
    }
    layers |= {
        "block.0.table": nn.Embedding(4, 8),
        "vast": module(sample.WIDEST + 1),
        "pooler": module(8),
    }
    assert sample.sampled(layers) == ["block.1.q", "block.3.up", "block.4.q", "pooler"]
    with pytest.raises(ValueError, match="no layer can be measured"):
        sample.sampled({"vast": layers["vast"], "table": layers["block.0.table"]})


def plain(model: Net, scale: float) -> Any:
    """The squared error of the adapted net as a function of all that is trained, in one vector,
    from plain products."""
    shapes = [(8, RANK), (RANK, 6), (3, RANK), (RANK, 8)]

    def loss(theta: Tensor, batch: dict[str, Tensor]) -> Tensor:
        parts = theta.split([a * b for a, b in shapes])
        B1, A1, B2, A2 = (part.view(shape) for part, shape in zip(parts, shapes, strict=True))
        h = batch["x"] @ (model.up.weight + scale * B1 @ A1).mT + model.up.bias
        out = model.bend(h) @ (model.down.weight + scale * B2 @ A2).mT + model.down.bias
        return (out - batch["y"]).square().mean()

    return loss


def adapted(bend: bool, config: Config) -> Net:
    model = net(bend)
    lora.attach(model, config.adapter)
    return model


@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_the_bound_is_that_of_the_dense_hessian(ratio):
    config, [batch] = Config.of(rank=RANK, ratio=ratio), data(1)
    model = adapted(True, config)
    line = rates.Line(config, model, batch, squares)
    found = rates.bound_on(line)
    line.leave()
    loss = plain(net(), config.adapter.alpha / RANK)
    layers = lora.adapters(model).values()
    theta = torch.cat(
        [factor.detach().flatten() for layer in layers for factor in (layer.B, layer.A)]
    )
    [g] = torch.autograd.grad(loss(theta.requires_grad_(), batch), theta)
    H: Any = torch.autograd.functional.hessian(lambda theta: loss(theta, batch), theta)
    rate = torch.cat(
        [
            torch.full_like(f, r).flatten()
            for layer in layers
            for f, r in ((layer.B, ratio), (layer.A, 1))
        ]
    )
    clipped = g / max(1, g.norm().item() / config.training.clip)
    d = -rate * clipped / (clipped.abs() + 1e-8)  # the first step of Adam with its epsilon
    slope, c = -(g @ d).item(), (d @ H @ d).item()
    # torch adds 1e-6 to the norm that it clips by
    assert found.slope == pytest.approx(slope, rel=1e-9)

    def fourth(e: Tensor) -> float:
        e = e.clone().requires_grad_()
        value = loss(theta.detach() + e * d, batch)
        for _ in range(4):
            [value] = torch.autograd.grad(value, e, create_graph=True)
        return value.item()

    # at most so far the difference reaches
    e = min(rates.REACH * found.loss / slope, slope / (2 * c))
    grid = torch.linspace(-e, e, 21, dtype=DEEP)
    error = e**2 / 12 * max(abs(fourth(value)) for value in grid)  # Taylor's remainder
    assert error < 0.2 * c, "the difference reaches too far, or the test shows nothing"
    assert abs(found.curvature - c) <= 1.1 * error + 1e-9 * c  # 1.1: between the points of the grid
    assert found.bound == pytest.approx(2 * slope / found.curvature, rel=1e-12)


def test_beyond_the_bound_a_step_raises_a_quadratic_loss():
    """Without tanh, in B alone (the first step leaves A), the squared error of one adapted layer is
    a quadratic."""
    config, [batch] = Config.of(rank=RANK, target_modules=("down",)), data(1)
    line = rates.Line(config, adapted(False, config), batch, squares)
    found = rates.bound_on(line)
    bound, crossing = found.bound, found.crossing
    line.leave()
    assert bound is not None
    assert crossing is not None
    assert crossing < bound * (1 + 1e-9) < 2**0.5 * crossing * (1 + 1e-9)
    after = []
    for part in (0.99, 1.01):
        model = adapted(False, config)
        optimizer = torch.optim.AdamW(lora.param_groups(model, part * bound))
        before = squares(model, batch)
        before.backward()
        optimizer.step()
        after.append(squares(model, batch).item() - before.item())
    assert after[0] < 0 < after[1]
    # A parabola: 1 % beyond as much above as 1 % short is below, but for the term of second order,
    # 1 %.
    assert -after[0] / after[1] == pytest.approx(1, abs=0.05)


def test_a_line_that_no_gradient_begins_is_refused_and_leaves_no_trace():
    config, [batch] = Config.of(rank=RANK, train_b=False), data(1)
    model = adapted(True, config)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="would not lower the loss"):
        rates.Line(config, model, batch, squares)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_straight_loss_has_no_bound():
    config, [batch] = Config.of(rank=RANK, target_modules=("down",)), data(1)
    line = rates.Line(
        config, adapted(False, config), batch, lambda model, batch: 9 + model(batch["x"]).mean()
    )
    assert rates.bound_on(line).bound is None


def test_the_rate_foretold_is_the_theorys_power_of_the_reference():
    config = Config()
    lr = config.training.lr
    assert rates.predicted(config, "init_a", 384) == lr, "the reference is the default run"
    # n^-1/2
    assert rates.predicted(config, "init_a", 4 * 384) == pytest.approx(lr / 2, rel=1e-12)
    # n^-1
    assert rates.predicted(config, "init_b", 4 * 384) == pytest.approx(lr / 4, rel=1e-12)
    assert rates.predicted(config.replace(rank=32), "init_a", 384) == pytest.approx(lr, rel=1e-12)
    stable = config.replace(rank=32, rank_stabilized=True)
    # (s r)^-1/2
    assert rates.predicted(stable, "init_a", 384) == pytest.approx(lr / 2**0.5, rel=1e-12)
    assert rates.predicted(stable, "eva", 384) == lr, "no power of the rank is known for eva"
    assert rates.predicted(config.replace(optimizer="scaled_sgd"), "init_a", 384) is None


def test_a_frozen_a_spares_the_inputs_of_the_layers():
    """Without tanh nothing else keeps them; float32: 4 bytes."""
    model, [batch] = net(False, torch.float32), data(1, dtype=torch.float32)
    base = sum(p.numel() for p in model.parameters())
    lora.attach(model, Config.of(rank=RANK).adapter)
    found = costs.memory(model, batch, squares)
    assert found.kept - found.kept_frozen_a == 4 * 40 * (6 + 8)
    assert found.kept_frozen_a >= 4 * 40 * 2 * RANK  # A x of both layers
    trained = RANK * (6 + 8 + 8 + 3)
    assert (found.trained, found.parameters, found.optimizer) == (trained, 4 * trained, 8 * trained)
    assert found.base == 4 * base
    assert costs.memory(model, batch, squares, 2.0).kept == 2 * found.kept
    assert all(
        p.requires_grad for layer in lora.adapters(model).values() for _, p in layer.trained()
    )


def test_a_start_is_timed_by_the_batches_of_the_run():
    assert costs.InitializationTime(a_batch=2.0, solve=3.0, batches=50).whole == 103
    for scheme, batches in {"init_a": 0, "eva": 50}.items():
        adapter = Config.of(rank=RANK, scheme=scheme).adapter
        found = costs.initialization_time(net(), adapter, data(), squares, 50)
        assert found.batches == batches, f"{scheme} needs {batches}"


def test_what_a_run_costs_is_told_by_the_size_of_its_batches(monkeypatch):
    """Its own are longer than the probe batches, by more than the number of examples where
    texts are padded."""
    few, own = [{"x": torch.zeros(2, 3)}] * 2, [{"x": torch.zeros(8, n)} for n in (3, 9)]
    ticks = iter(range(100))
    monkeypatch.setattr(costs, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(costs, "statistics_for", lambda *_: {"layer": None})
    monkeypatch.setattr(costs.lora, "attach", lambda *_, **__: None)
    more = mean(map(advice.size, own)) / advice.size(few[0])
    assert more == 8
    found = costs.initialization_time(net(), Config.of(rank=RANK).adapter, few, squares, 10, more)
    assert (found.a_batch, found.solve, found.whole) == (4.0, 1.0, 41.0)


FACTS = Facts(
    signal=0.7,
    signal_uncentred=0.8,
    signal_random=0.05,
    outside=0.1,
    gain=0.1,
    fresh=False,
    saved=0.3,
    rank=8,
    predicted={"init_a": 1e-3, "eva": 1e-3},
    bound={"init_a": 1e-1, "eva": 1e-2},
    delay={"init_a": 0.0, "eva": 0.2},
)


@pytest.mark.parametrize(
    ("changed", "choice", "value", "claim"),
    [
        ({}, "scheme", "init_a", "E9"),
        ({"signal": 0.97}, "scheme", "eva", "E9"),
        ({"signal": 0.97, "signal_random": 0.6}, "scheme", "init_a", "E9"),
        ({"signal_uncentred": 0.97}, "scheme_options", {"center": False}, "E3b"),
        ({"fresh": True, "gain": -0.5}, "freeze if memory is short", "A", "A15b"),
        ({"gain": 0.3}, "freeze if memory is short", "A", "A15"),
        ({"gain": -0.3}, "freeze if memory is short", "A", "A15"),
        ({"gain": -0.3, "saved": 0.02}, "freeze if memory is short", "B", "A15"),
        ({}, "rates", [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3], "L11"),
        ({"bound": {"init_a": 1e-3}}, "rates", [6.3e-5, 1.3e-4, 2.5e-4, 5e-4, 1e-3], "L11"),
    ],
)
def test_the_rules(changed, choice, value, claim):
    found = {c.choice: c for c in recommend(replace(FACTS, **changed))}
    assert found[choice].value == value
    assert claim in found[choice].claims


def test_no_rate_is_made_up():
    unknown = {"init_a": None}
    assert recommend(replace(FACTS, predicted=unknown))[-1].value[-1] == 0.1
    with pytest.raises(ValueError, match="no learning rate can be advised"):
        recommend(replace(FACTS, predicted=unknown, bound=unknown))


def test_every_rule_rests_on_claims_of_the_ledger():
    records: Any = [(family, recorded.read(family.stem)) for family in proxies()]
    found = [row for pair in records for row in recorded.recorded_rows(*pair)]
    verdicts = {row.claim.id: row.verdict for row in found}
    named = {claim for rule in RULES for claim in rule.claims}
    assert named <= verdicts.keys()
    # What the reasons say of them; a changed verdict changes the advice.
    assert verdicts["A15b"] == verdicts["E3b"] == verdicts["A11"] == "refuted"
    assert verdicts["A15"] == verdicts["A11b"] == verdicts["L11"] == verdicts["E3"] == "holds"
    assert verdicts["S8b"] == verdicts["S8c"] == verdicts["S8d"] == "holds"
    assert verdicts["S8"] == "inconclusive"
    assert {verdicts[c] for c in ("E2e", "E8c", "E9", "L8", "A12")} == {"holds under conditions"}
    assert sweep(1e-3) == [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3]


# --- the command
# ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


given = partial(without_store, "advice.json")


def trace(model: nn.Module) -> list[Any]:
    modules = [
        (m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()
    ]
    return [modules, [(name, p.requires_grad, p.grad) for name, p in model.named_parameters()]]


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(model, tmp_path, monkeypatch, fails):
    """Its weights, modes, hooks and gradients, on an error too."""
    from scaling.training.preparation import prepare

    arguments(model, tmp_path)
    train, test = (str(tmp_path / f"{name}.jsonl") for name in ("train", "test"))
    config = Config.of(model=str(model), train=train, test=test, batch=8, rank=RANK)
    job = prepare(config)
    before, state = (
        trace(job.loaded.model),
        {k: v.clone() for k, v in job.loaded.model.state_dict().items()},
    )
    if fails:
        monkeypatch.setattr(rates, "curvature", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            advice.advised(job, 8)
    else:
        advice.advised(job, 8)
    after = job.loaded.model.state_dict()
    assert after.keys() == state.keys()
    assert all(torch.equal(after[key], value) for key, value in state.items())
    assert trace(job.loaded.model) == before


def test_a_classifier_gets_advice_that_can_be_scored(model, tmp_path, capsys):
    assert command.run(given(model, tmp_path, "--scheme", "orthogonal")) == 0
    found = json.loads((tmp_path / "advice.json").read_text())
    assert found["bounds"].keys() == found["starts"].keys() == {"orthogonal", "init_a", "eva"}
    assert found["batches"] == 8
    assert found["facts"]["fresh"], "the head is new"
    assert len(found["layers"]) == 13, "six kinds at two depths, and the pooler"
    assert all(0 < row["explained"] <= 1 for row in found["layers"])
    assert [c["choice"] for c in found["recommendation"] if c["choice"] == "rates"]
    assert found["starts"]["eva"]["batches"] == 8, "a run would take all 64 examples"
    assert command.run(given(model, tmp_path, "--batch", "64")) == 0
    assert json.loads((tmp_path / "advice.json").read_text())["starts"]["eva"]["batches"] == 1, (
        "all at once"
    )
    said = capsys.readouterr().out
    assert "recommendation" in said
    assert str(tmp_path / "advice.json") in said


def test_a_language_model_gets_advice_too(tmp_path, capsys):
    word_tokenizer(tmp_path, WORDS)
    llama().save_pretrained(tmp_path)
    (tmp_path / "train.jsonl").write_text(rows(32))
    (tmp_path / "test.jsonl").write_text(rows(4))
    flags = {
        "task": "causal_lm",
        "model": tmp_path,
        "train": tmp_path / "train.jsonl",
        "test": tmp_path / "test.jsonl",
    }
    flags |= {"batch": 8, "length": 12, "rank": 2, "batches": 2}
    assert (
        command.run([part for name, value in flags.items() for part in (f"--{name}", str(value))])
        == 0
    )
    said = capsys.readouterr().out
    assert "14 layers measured on 2 probe batches" in said  # seven kinds at two depths
    assert "chance" not in said, "no head is new here"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--batches", "1"), "batches must be at least 2"),
        (("--out", "nowhere/advice.json"), "must be a file in a folder that is there"),
        (("--model", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(model, tmp_path, capsys, flags, sentence):
    assert command.run(given(model, tmp_path, *flags)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert sentence in said
    assert not (tmp_path / "advice.json").exists()


def test_the_command_line_hands_the_arguments_on(capsys):
    from loralab.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["advise", "--batches", "0"])
    assert ended.value.code == 2
    assert "batches must be at least 2" in capsys.readouterr().err
