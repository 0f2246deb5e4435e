"""The other trials of the asymmetry family against `lora` and the theory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import lora
from proxies.families.asymmetry.trials import advice, digits, linear, memory, similarity, teacher
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
    assert names.by_position("hB_zero_A_rand") == names.TRAINED_B
    assert names.by_position("A_rand_hB_zero") == names.TRAINED_A, "the opposite"
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
    nets, data = digits.pretrained((1000,)), digits.task((1000,), ("flipped",), 60).train
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
    nets, data = digits.pretrained((1001,)), digits.task((1001,), ("flipped",), 50).train
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
