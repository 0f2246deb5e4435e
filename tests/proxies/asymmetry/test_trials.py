"""The other trials of the asymmetry family against `lora` and the theory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import lora
from proxies.families.asymmetry.trials import (
    advice,
    exact,
    gaps,
    linear,
    populations,
    similarity,
    teacher,
)
from proxies.families.asymmetry.trials.networks import Split
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
    pairs = torch.randn(300, 2, 20, 4, generator=rng, dtype=torch.float64)
    found = np.array([similarity.overlap(*pair) for pair in pairs])
    # of random subspaces it is r / d
    assert abs(found.mean() - 4 / 20) <= 4.5 * found.std(ddof=1) / np.sqrt(len(found))


def one_task(samples: int, seed: int) -> tuple[list[torch.Tensor], list[torch.Tensor], Split]:
    """Weights and biases of a network on digits, and its new task in float64."""
    nets = populations.pretrained("digits", (seed,))
    data = populations.task("digits", (seed,), ("flipped",), samples).train
    W, b = ([value[0].double() for value in values] for values in nets)
    return W, b, Split(data.x[0].double(), data.y[0])


def seen_by_the_advice(monkeypatch, samples: int, seed: int) -> list[dict]:
    """What `on_layers` gives to `which_to_freeze`: layer by layer with the Fisher matrix, then with
    E[g g^T]."""
    seen = []

    def spy(x, H, g, rank):
        seen.append({"M": x.T @ x / len(x), "G": g.T @ x / len(x), "H": H})
        return [0]

    monkeypatch.setattr(advice, "_advised", spy)
    found = advice.on_layers("digits", [4], samples, seed, 1)
    assert [list(layers) for layers in found[0].values()] == [["0 4", "1 4"]] * 2
    return seen


def test_moments_of_the_nets_are_those_that_lora_collects(monkeypatch):
    """G and M of `on_layers` against lora.collect, halves together."""
    seen = seen_by_the_advice(monkeypatch, 60, 0)
    W, b, data = one_task(60, 0)
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    ).double()
    for layer, module in enumerate(m for m in model if isinstance(m, nn.Linear)):
        module.load_state_dict({"weight": W[layer], "bias": b[layer]})
    stats = lora.collect(
        model,
        ["0", "2"],
        [tuple(data)],
        "gradient",
        lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]),
    )
    for layer, name in enumerate(("0", "2")):
        for found in seen[2 * layer : 2 * layer + 2]:
            gradient = stats[name].gradient
            assert gradient is not None
            for value, expected in (
                (found["M"], stats[name].second_moment),
                (found["G"], gradient),
            ):
                torch.testing.assert_close(
                    torch.as_tensor(value), expected.double(), rtol=1e-9, atol=1e-12
                )


def test_the_fisher_matrix_is_the_covariance_of_gradients_over_drawn_labels(monkeypatch):
    seen = seen_by_the_advice(monkeypatch, 50, 1)
    W, b, data = one_task(50, 1)
    first = (data.x @ W[0].mT + b[0]).requires_grad_()
    second = torch.relu(first) @ W[1].mT + b[1]
    scores = torch.relu(second) @ W[2].mT + b[2]
    p = torch.softmax(scores, -1).detach()
    for layer, pre in enumerate((first, second)):
        fisher = torch.zeros(128, 128, dtype=torch.float64)
        for label in range(10):
            loss = F.cross_entropy(scores, torch.full((50,), label), reduction="sum")
            (g,) = torch.autograd.grad(loss, pre, retain_graph=True)
            fisher += (g * p[:, [label]]).mT @ g / 50
        loss = F.cross_entropy(scores, data.y, reduction="sum")
        (g,) = torch.autograd.grad(loss, pre, retain_graph=True)
        for found, expected in zip(
            seen[2 * layer : 2 * layer + 2], (fisher, g.mT @ g / 50), strict=True
        ):
            torch.testing.assert_close(torch.as_tensor(found["H"]), expected, rtol=1e-9, atol=1e-12)


def test_a_teacher_agrees_with_the_linear_theory_where_it_is_nearly_linear():
    """A small change of the layer stays near the quadratic model that the advice is made of."""
    found = teacher.known("decaying", "tanh", 4, 7)
    _, tune_b, tune_a, *_ = found["advice"]["fisher"]
    assert found["B"] > found["A"]
    # one draw of the frozen factor; its spread over seeds is about 0.1
    assert abs(found["B"] - tune_b) < 0.25
    assert abs(found["A"] - tune_a) < 0.1


def test_the_linear_score_uses_noisy_moments_and_still_agrees():
    found = [advice.linear(seed) for seed in range(2000, 2012)]
    decided = [r for r in found if abs(r["z"]) > 4]
    assert len(decided) >= 8
    right = sum(advice.followed(r["advice"], r["gain"]) > 0 for r in decided)
    assert right >= len(decided) - 1


def test_advice_in_a_cell_is_the_theorys():
    x, g = np.random.default_rng(0).standard_normal((2, 30, 5))
    expected = which_to_freeze(
        x.T @ x / 30, np.eye(5), (g[::2].T @ x[::2] / 15, g[1::2].T @ x[1::2] / 15), 2
    )
    assert advice._advised(x, np.eye(5), g, 2) == list(expected)


@pytest.mark.parametrize("network", teacher.NETWORKS)
def test_a_networks_moments_are_those_of_its_gradients(monkeypatch, network):
    """G and H of a teacher by autograd of the loss, sample by sample."""
    rng, seen = np.random.default_rng(0), []

    def spy(M, H, gradients, rank):
        seen.append((H, sum(gradients) / 2))
        return [0]

    monkeypatch.setattr(teacher, "which_to_freeze", spy)
    shape = teacher.Teacher(6, 5, 4, network=network)
    W, V, x, y = (
        torch.from_numpy(rng.standard_normal(s)) for s in ((5, 6), (4, 5), (20, 6), (20, 4))
    )
    rest = teacher._rest(shape, V, rng)
    teacher._advice(W, rest, x, y, 2)
    z = (x @ W.mT).requires_grad_()
    output = rest(z, x)
    columns = [torch.autograd.grad(output[:, k].sum(), z, retain_graph=True)[0] for k in range(4)]
    fisher = sum(J.mT @ J for J in columns) / 20
    (g,) = torch.autograd.grad((output - y).square().sum() / 2, z)
    (errors, G), (curvature, _) = seen
    for found, expected in ((errors, g.mT @ g / 20), (curvature, fisher), (G, g.mT @ x / 20)):
        torch.testing.assert_close(torch.as_tensor(found), expected, rtol=1e-9, atol=1e-12)


def test_the_layer_of_a_student_is_what_is_adapted():
    rng = np.random.default_rng(0)
    shape = teacher.Teacher(6, 5, 4, network="two layers")
    W, V = (torch.from_numpy(rng.standard_normal(s)) for s in ((5, 6), (4, 5)))
    model = teacher.Student(W, teacher._rest(shape, V, rng))
    linear.attached(model, "A", 2, 0, "layer")
    trained = [p.shape for group in lora.param_groups(model, lr=1.0) for p in group["params"]]
    assert trained == [(2, 6)]


def test_formulas_of_gaps_are_measured_where_n_counts():
    """With n - k for n - k - 1 the ratio would be off by a tenth."""
    for name, samples in (("B", 10), ("B2", 16), ("A", 40)):
        found = np.array([gaps.near(name, samples, 100, seed) for seed in range(8)])
        assert abs(found.mean() - 1) <= 4.5 * found.std(ddof=1) / np.sqrt(len(found))
        assert abs(found.mean() - 1) < 0.05


def test_gaps_are_compared_on_one_problem():
    found = gaps.compared(64, 10, 0)
    assert found["gap"]["BA"] > found["gap"]["B2"] > found["gap"]["B"] > 0
    assert found["risk"]["A"] > found["risk"]["B"]


@pytest.mark.parametrize("seed", range(5))
def test_means_without_sampling_error_are_exact(seed):
    """In their own units; the worst of 600 seeds is 1.0."""
    assert exact.basis(seed) <= 10
    assert max(exact.few_inputs(seed).values()) <= 10
    found = exact.ordered(seed)
    assert found["weakest"] < 0 < found["ordered"]
