"""The measurements of proxies/asymmetry.py: each against `lora` or the theory, and with planted
faults."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import lora
from loralab.figures import draw
from loralab.store import Store
from proxies.asymmetry import PROXY
from proxies.families.asymmetry import evidence
from proxies.families.asymmetry.trials import (
    advice,
    digits,
    linear,
    memory,
    networks,
    similarity,
    teacher,
    tuning,
)
from proxies.families.asymmetry.trials import factors as names
from theory.asymmetry import frozen_factor as theory
from theory.asymmetry.freezing import which_to_freeze


@given(
    case=st.sampled_from(list(linear.CASES)), rank=st.integers(1, 8), seed=st.integers(1000, 2**32)
)
def test_projected_is_what_one_tuned_factor_explains(case, rank, seed):
    values, M = linear.changes(case, 1, np.random.default_rng(seed))
    rng = np.random.default_rng(seed + 1)
    _, out, in_ = M.shape
    Q, U = rng.standard_normal((rank, in_)), rng.standard_normal((out, rank))
    problem = theory.least_squares(M[0] / np.sqrt(values), np.diag(values))
    T = theory.total(problem)
    found = (
        linear.projected(M, (np.sqrt(values)[:, None] * Q.T)[None])[0],
        linear.projected(M.swapaxes(1, 2), U[None])[0],
    )
    # 100 eps times the condition numbers of what is factored, which stay below 1e4
    assert found == pytest.approx(
        (theory.explained_B(problem, Q) / T, theory.explained_A(problem, U) / T), abs=1e-10
    )


def problem(seed: int, n: int = 40) -> tuple[networks.Nets, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(2, n, 64, generator=rng, dtype=torch.float64)
    y = torch.randint(0, 10, (2, n), generator=rng)
    return networks.pretrain(x, y, [seed, seed + 1], steps=3, batch=16), x, y


def by_lora(nets, start, which, tuned, x, y, rate, steps, batch, seed) -> nn.Module:
    """One run as anybody would make it: lora.attach, torch's Adam, the same batches."""
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    ).double()
    for layer, module in enumerate(m for m in model if isinstance(m, nn.Linear)):
        module.load_state_dict(
            {"weight": nets.weights[layer][which], "bias": nets.biases[layer][which]}
        )
    rank = start[0].A.shape[1]
    config = lora.Config(
        rank=rank, alpha=rank, target_modules=("0", "2"), train_a="A" in tuned, train_b="B" in tuned
    )
    lora.attach(model, config)
    for layer, name in enumerate(("0", "2")):
        adapter = lora.adapters(model)[name]
        with torch.no_grad():
            adapter.B.copy_(start[layer].B[which])
            adapter.A.copy_(start[layer].A[which])
    optimizer = torch.optim.Adam(lora.param_groups(model, lr=rate))
    for index in networks.order(y.shape[1], batch, steps, torch.Generator().manual_seed(seed)):
        optimizer.zero_grad()
        F.cross_entropy(model(x[which, index]), y[which, index]).backward()
        optimizer.step()
    return model


def check_engine(method: str) -> None:
    """Both problems and both rates of the engine against four models adapted by `lora`, in
    float64."""
    nets, x, y = problem(1000)
    tuned, rates = networks.METHODS[method][0], [1e-3, 1e-1]
    start = networks.starts(nets, method, 3, [1000, 1001], range(2))
    factors = networks.train(nets, start, tuned, x, y, rates, 6, 16, 7)
    for which in range(2):
        for k, rate in enumerate(rates):
            model = by_lora(nets, start, which, tuned, x, y, rate, 6, 16, 7)
            for layer, name in enumerate(("0", "2")):
                adapter = lora.adapters(model)[name]
                for found, expected in zip((adapter.B, adapter.A), factors[layer], strict=True):
                    # Adam divides by |g|, which amplifies the rounding of a gradient near zero.
                    torch.testing.assert_close(
                        found.detach(), expected[which, k], rtol=1e-8, atol=1e-8
                    )
            with torch.no_grad():
                right = (model(x[which]).argmax(-1) == y[which]).double().mean()
            assert networks.accuracy(nets, factors, x, y)[which, k] == right


@pytest.mark.parametrize("method", ["BA, random", "B, orthonormal", "A, singular"])
def test_the_engine_is_lora(method):
    check_engine(method)


def test_starts_are_what_they_are_called():
    nets, _, _ = problem(1002)
    for method, (tuned, _) in networks.METHODS.items():
        for layer, (B, A) in networks.starts(nets, method, 4, [1, 2], [0, 1]).items():
            W = nets.weights[layer]
            frozen = A.mT if "B" in tuned else B
            assert not torch.equal(frozen[0], frozen[1]), "each problem has its own draw"
            assert not (B.any() and A.any())
            if "random" not in method:
                one = torch.eye(4, dtype=W.dtype)
                # singular vectors come from PiSSA's rows divided by their lengths
                assert (
                    float((frozen.mT @ frozen - one).abs().max()) <= 100 * torch.finfo(W.dtype).eps
                )
            if "singular" in method:
                U, _, Vh = torch.linalg.svd(W)
                true = Vh[:, :4].mT if tuned == "B" else U[..., :4]
                for found, expected in zip(frozen, true, strict=True):
                    assert similarity.overlap(found, expected) == pytest.approx(1, abs=1e-10)


def test_a_run_that_diverged_has_no_right_answer():
    nets, x, y = problem(1003)
    start = networks.starts(nets, "BA, random", 2, [1, 2], range(2))
    broken = {k: lora.Factors(B[:, None] * float("nan"), A[:, None]) for k, (B, A) in start.items()}
    assert not networks.accuracy(nets, broken, x, y).any()


def test_batches_cover_the_samples_and_are_the_whole_where_they_are_larger():
    rng = torch.Generator().manual_seed(0)
    whole = networks.order(10, 64, 3, rng)
    assert [index.tolist() for index in whole] == [list(range(10))] * 3
    parts = networks.order(12, 4, 6, rng)
    assert len(parts) == 6
    assert (
        sorted(torch.cat(parts[:3]).tolist())
        == sorted(torch.cat(parts[3:]).tolist())
        == list(range(12))
    )


def test_a_task_never_trains_on_its_test_images():
    seeds, turns = (1000, 1000, 1001), ("flipped", "rotated", "rotated")
    data = digits.task(seeds, turns, 100)
    assert [split.x.shape[1] for split in data] == [100, 300, 497]
    images, labels = digits._images()
    for i, (seed, turn) in enumerate(zip(seeds, turns, strict=True)):
        order = digits._order(seed, len(labels))
        assert len(set(order.tolist())) == len(labels)
        for split, part in zip(data, (order[:100], order[1000:1300], order[1300:]), strict=True):
            assert torch.equal(split.x[i], digits.TURNS[turn](images)[part].flatten(1))
            pairs = set(zip(labels[part].tolist(), split.y[i].tolist(), strict=True))
            assert len(pairs) == 10, "labels are permuted"
    assert not torch.equal(data.test.y[0], data.test.y[1]), (
        "two tasks of one seed have two permutations"
    )


def check_grid(monkeypatch, best: int) -> dict:
    """`adapted` where validation accuracy peaks at the rate 10^(best/2) and the test has another
    peak."""
    monkeypatch.setattr(tuning, "train", lambda nets, start, tuned, x, y, rates, *rest: rates)
    calls = []

    def accuracy(nets, rates, x, y):
        calls.append(len(rates))
        peak = best if x.shape[1] == digits.VALIDATION else best - 1
        score = [1 - abs(2 * np.log10(rate) - peak) / 100 for rate in rates]
        return torch.tensor([score, score], dtype=torch.float64)

    monkeypatch.setattr(tuning, "accuracy", accuracy)
    return tuning.adapted("B, random", 2, 100, 1000, 2, 10, [0])


@pytest.mark.parametrize("best", [-8, -5, 0, 2, 5])
def test_the_rate_is_chosen_on_validation_and_the_grid_grows_to_hold_it(monkeypatch, best):
    found = check_grid(monkeypatch, best)
    assert found["rate"] == pytest.approx(10 ** (best / 2))
    assert not found["edge"]
    assert found["test"] == pytest.approx([0.99, 0.99])
    assert len(found["rates"]) >= 8
    assert found["rates"] == sorted(found["rates"])
    assert found["parameters"] == 2 * 128


def test_a_grid_that_never_holds_the_best_rate_says_so(monkeypatch):
    assert check_grid(monkeypatch, 40)["edge"]


def test_overlap_is_the_mean_squared_cosine():
    rng = torch.Generator().manual_seed(0)
    X = torch.randn(9, 3, generator=rng, dtype=torch.float64)
    mix = torch.randn(3, 3, generator=rng, dtype=torch.float64)
    assert similarity.overlap(X, X @ mix) == pytest.approx(1, abs=1e-12)
    one = torch.eye(9, dtype=torch.float64)
    assert similarity.overlap(one[:, :3], one[:, 3:6]) == 0
    assert similarity.overlap(one[:, :3], one[:, 2:5]) == pytest.approx(1 / 3)
    found = np.array(similarity.haar(20, 4, 300, 1004)["overlaps"])
    assert abs(found.mean() - 4 / 20) <= 4.5 * found.std(ddof=1) / np.sqrt(len(found))


@pytest.mark.parametrize("d", [32, 48])
def test_bytes_that_backward_keeps(d):
    layer, block = memory.one_layer(d, 4, 8), memory.block(d, 3 * d, 4, 8)
    assert layer["BA 0"] == 4 * (d + 4)
    assert layer["B 0"] == 4 * 4
    assert layer["A 0"] == 4 * d
    assert layer["B 0.05"] > 4 * d, "dropout keeps as much as its input again"
    assert block["BA"] - block["B"] == 4 * (2 * d + 3 * d)
    assert block["BA"] - block["A"] == 4 * 7 * 4


def test_names_by_position_are_not_what_they_say():
    assert names.by_position("hB_zero_A_rand") == names.TUNED_B
    assert names.by_position("A_rand_hB_zero") == names.TUNED_A, "the opposite"
    for value in ("False", 0, None):
        with pytest.raises(ValueError, match="train_a must be True or False"):
            lora.Config(train_a=value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing would be trained"):
        lora.Config(train_a=False, train_b=False)


def test_what_is_frozen_rests_and_what_is_trained_moves():
    found = names.frozen_and_trained(1005)
    assert found["frozen"] == found["readme"] == 0
    assert found["trained"] > 0.01  # ten steps of Adam at 0.01 move an entry by up to 0.1


def test_a_name_is_tested_by_the_true_singular_space():
    found = names.spaces(48, 6, 1006)
    assert found["pissa"] == pytest.approx(1, abs=1e-10)
    assert found["transposed"] < 0.4, "columns of V^T are no singular vectors"


def test_moments_of_the_nets_are_those_that_lora_collects():
    """G and M of `on_digits` and of the teacher against lora.collect, halves together."""
    seen = {}

    def spy(x, H, g, rank):
        seen["M"], seen["G"], seen["H"] = x.T @ x / len(x), g.T @ x / len(x), H
        return [0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(advice, "_advised", spy)
        advice.on_digits(1, 4, 60, "flipped", 1000)
    nets, data = digits.bases((1000,)), digits.task((1000,), ("flipped",), 60).train
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    ).double()
    for layer, module in enumerate(m for m in model if isinstance(m, nn.Linear)):
        module.load_state_dict({"weight": nets.weights[layer][0], "bias": nets.biases[layer][0]})
    stats = lora.collect(
        model,
        ["2"],
        [(data.x[0].double(), data.y[0])],
        "gradient",
        lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]),
    )["2"]
    assert stats.gradient is not None
    for found, expected in ((seen["M"], stats.second_moment), (seen["G"], stats.gradient)):
        torch.testing.assert_close(torch.as_tensor(found), expected.double(), rtol=1e-9, atol=1e-12)


def test_the_fisher_matrix_is_the_covariance_of_gradients_over_drawn_labels(monkeypatch):
    seen = []
    monkeypatch.setattr(advice, "_advised", lambda x, H, g, rank: seen.append(H) or [0])
    advice.on_digits(0, 4, 50, "flipped", 1001)
    nets, data = digits.bases((1001,)), digits.task((1001,), ("flipped",), 50).train
    W, b = ([value[0].double() for value in values] for values in nets)
    pre = (data.x[0].double() @ W[0].mT + b[0]).requires_grad_()
    scores = torch.relu(torch.relu(pre) @ W[1].mT + b[1]) @ W[2].mT + b[2]
    expected = torch.zeros(128, 128, dtype=torch.float64)
    for label in range(10):
        labels = torch.full((50,), label)
        (g,) = torch.autograd.grad(
            F.cross_entropy(scores, labels, reduction="sum"), pre, retain_graph=True
        )
        expected += (g * torch.softmax(scores, -1)[:, [label]].detach()).mT @ g / 50
    torch.testing.assert_close(torch.as_tensor(seen[1]), expected, rtol=1e-9, atol=1e-12)


def test_a_teacher_agrees_with_the_linear_theory_where_it_is_nearly_linear():
    """A small change of the layer stays near the quadratic model that the advice is made of."""
    found = teacher.known("decaying", 4, 1007)
    _, tune_b, tune_a, *_ = found["advice"]["fisher"]
    assert found["B"] > found["A"]
    # one draw of the frozen factor; its spread over seeds is about 0.1
    assert abs(found["B"] - tune_b) < 0.25
    assert abs(found["A"] - tune_a) < 0.1


def test_scores_count_decided_cases_alone():
    right, wrong = ["A", 0.5, 0.1, 2.0, 1.0, 1.0], ["B", 0.1, 0.5, 0.5, 1.0, 1.0]
    assert advice.agrees(right, 0.2)
    assert not advice.agrees(wrong, 0.2)
    assert advice.agrees(wrong, -0.2)
    twice = lambda advised: {"fisher": advised, "errors": advised}
    cells = {
        "spectra": [
            {"advice": right, "gain": 0.1, "z": 9.0},
            {"advice": wrong, "gain": 0.1, "z": 1.0},
        ],
        "fresh": [
            {"advice": twice(wrong), "B": 0.5, "A": 0.1},
            {"advice": twice(right), "B": 0.11, "A": 0.1},
        ],
        "layers": [
            {"layers": [0], "rank": 8, "method": "B, orthonormal", "test": [0.9, 0.9]},
            {"layers": [0], "rank": 8, "method": "A, orthonormal", "test": [0.8, 0.95]},
        ],
        "digits": [{"layer": 0, "rank": 8, "seed": 1000 + i, **twice(right)} for i in range(2)],
    }
    measured = evidence.freezing(cells)
    assert [m.value for m in (*measured["A15"], *measured["A15b"]) if m] == [1, 0, 0.5]


def test_the_linear_score_uses_noisy_moments_and_still_agrees():
    found = [advice.linear(seed) for seed in range(2000, 2012)]
    decided = [r for r in found if abs(r["z"]) > 4]
    assert len(decided) >= 8
    assert sum(advice.agrees(r["advice"], r["gain"]) for r in decided) >= len(decided) - 1


def test_advice_in_a_cell_is_the_theorys():
    x, g = np.random.default_rng(0).standard_normal((2, 30, 5))
    expected = which_to_freeze(
        x.T @ x / 30, np.eye(5), (g[::2].T @ x[::2] / 15, g[1::2].T @ x[1::2] / 15), 2
    )
    assert advice._advised(x, np.eye(5), g, 2) == list(expected)


# --- the proxy
# --------------------------------------------------------------------------------------------------


def made_up(monkeypatch) -> None:
    """Results of the kind that training gives, in place of the cells that train networks."""

    def adapted(method, rank, samples, first_seed, seeds, steps, layers):
        level = {"BA, random": 0.9, "B, orthonormal": 0.7}.get(method, 0.8) + rank / 100
        test = [level + 0.001 * i for i in range(seeds)]
        return {
            "test": test,
            "rate": 0.1,
            "edge": False,
            "rates": [],
            "validation": [],
            "parameters": 9,
        }

    def overlaps(method, rank, rate, steps, base, inits):
        one = {"same task": [0.5, 0.5], "same start": [0.2, 0.2], "neither": [0.2, 0.2]}
        kept = 0.7 if rate < 0.005 else 0.3
        return {
            "A": {**one, "same start": [kept + base / 1e6, kept]},
            "B": {**one, "same task": [0.5 + base / 1e6, 0.5]},
        }

    def learn(gain):
        advice = ["A", 0.5, 0.1, 2.0, 1.0, 1.0] if gain > 0 else ["B", 0.1, 0.5, 2.0, 1.0, 1.0]
        return {
            "A": 0.3,
            "B": 0.3 + gain,
            "advice": {"fisher": advice, "errors": advice},
            "rank": 4,
        }

    gains = {"decaying": 0.3, "decaying, like a gradient": 0.6, "decaying, anti": -0.1, "flat": 0.0}
    advised = {name: ["A", 0.5, 0.1, 2.0, 1.0, 1.0] for name in ("fisher", "errors")}
    monkeypatch.setattr(tuning, "adapted", adapted)
    monkeypatch.setattr(similarity, "similarity", overlaps)
    monkeypatch.setattr(
        teacher,
        "known",
        lambda case, rank, seed: learn(gains.get(case, -0.1) + (seed - 1002) / 1e6),
    )
    monkeypatch.setattr(teacher, "fresh", lambda seed: learn((-1) ** seed * 0.1))
    monkeypatch.setattr(advice, "on_digits", lambda **point: advised)


def test_the_proxy_joins_cells_to_claims_and_keeps_them(tmp_path, monkeypatch):
    """Every claim that needs no trained network is really measured here, at the reduced size, with
    its verdict."""
    monkeypatch.setenv("LORALAB_JOBS", "1")
    made_up(monkeypatch)
    store = Store(tmp_path / "runs.sqlite")
    first = PROXY.run(PROXY.quick, store)
    rows = PROXY.rows(first)
    assert {row.claim.id: row.verdict for row in rows if row.complete} == {
        claim.id: claim.expected for claim in PROXY.claims if claim.id != "A15b"
    }
    assert PROXY.run(PROXY.quick, store).finished == first.finished, (
        "the second run comes from the store"
    )
    drawn = {path.name for path in draw("asymmetry", first.result["data"], tmp_path)}
    assert drawn == {f"asymmetry-{name}.svg" for name in ("explained", "sign", "digits")}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"draws": 10}, "--draws must be at least 400 to tell .* got 10"),
        ({"repeats": 2}, "--repeats must be at least 20 .* got 2"),
        ({"seeds": 4}, "--seeds must be at least 5 .* got 4"),
        ({"steps": 1}, "--steps must be at least 50 .* got 1"),
        ({"fresh": 3}, "--fresh must be at least 20 .* got 3"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        PROXY.Config(**flags)
