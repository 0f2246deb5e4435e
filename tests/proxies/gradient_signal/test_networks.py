"""What is measured in real layers: rows of every initialization, their shares, and real text."""

from dataclasses import replace

import pytest
import torch

import lora
from proxies.families.gradient_signal.trials import networks, tasks, text
from proxies.families.gradient_signal.trials import rows as row_trials
from proxies.instruments import optional
from tests.support.laws.gradient_signal import example, layer, linear_loss
from theory.gradient_signal import optimum as theory


def check_starts() -> None:
    """Length and direction of all rows, on a population whose second moments are exact."""
    p = example()
    stats = lora.collect(layer(p), ["0"], [(p.x, p.g)], "gradient", linear_loss)["0"]
    rows = row_trials.initial_rows(stats, p.g.shape[1], p.rank, 1000)
    assert tuple(rows) == row_trials.INITIALIZATIONS
    M, C = stats.second_moment, stats.covariance
    for name in (
        "orthogonal",
        "EVA",
        "EVA uncentred",
        "EVA rotated",
        "minor",
        "gradient SVD",
        "gradient_signal",
    ):
        assert (rows[name] @ rows[name].mT - torch.eye(3)).abs().max() <= 1e-13, name
    size = lambda name, S: float(((rows[name] @ S) * rows[name]).sum())
    assert size("same E|Ax|^2", M) == pytest.approx(size("EVA", M), rel=1e-12)
    assert size("EVA rotated", C) == pytest.approx(size("EVA", C), rel=1e-12)
    assert not torch.allclose(rows["EVA rotated"], rows["EVA"])
    assert size("EVA", C) == pytest.approx(float(torch.linalg.eigvalsh(C)[-3:].sum()), rel=1e-12)
    assert size("minor", C) == pytest.approx(float(torch.linalg.eigvalsh(C)[:3].sum()), rel=1e-9)
    seen = row_trials.captured(stats, rows)
    assert seen["gradient_signal"]["token"] == pytest.approx(1, rel=1e-12)
    assert seen["gradient SVD"]["data set"] == pytest.approx(1, rel=1e-12)
    assert seen["EVA uncentred"]["inputs"] == pytest.approx(1, rel=1e-12)
    assert max(v[of] for v in seen.values() for of in ("token", "data set", "inputs")) <= 1 + 1e-12
    A, Q = rows["EVA"].numpy(), stats.weighted_second_moment
    assert Q is not None
    assert seen["EVA"]["token"] == pytest.approx(theory.share(A, Q.numpy()), rel=1e-12)


def test_starts():
    check_starts()


def test_faults_of_the_starts_are_caught(monkeypatch):
    correct = lora.SCHEMES["eva"].rule
    uncentred = lambda *args, center=True, **rest: correct(*args, center=False, **rest)
    for name, wrong in (
        ("eva", uncentred),
        ("orthogonal", lora.SCHEMES["init_a"].rule),
        ("gradient_signal", lambda *args, stats: correct(*args, stats=stats)),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(lora.SCHEMES, name, replace(lora.SCHEMES[name], rule=wrong))
            with pytest.raises(AssertionError):
                check_starts()


@pytest.mark.skipif(not optional.minilm(), reason="needs MiniLM")
def test_docstrings_are_real_and_the_same_each_time():
    texts, labels = text.labelled(5, 1000)
    again, other = text.labelled(5, 1000), text.labelled(5, 1001)
    assert texts == again[0]
    assert torch.equal(labels, again[1])
    assert texts != other[0]
    assert torch.equal(labels.bincount(), torch.full((len(text.PACKAGES),), 5))
    assert len(set(texts)) == len(texts)
    batch = text.tokens(texts)
    assert batch["input_ids"].shape == (30, text.TOKENS)
    assert {len(piece["input_ids"]) for piece in text.split(batch, 16)} == {16, 14}


def test_bounds_on_real_layers_hold_and_the_digits_network_knows_digits():
    layers = networks.digits_layers(1000)
    assert all(one["inside"] for one in layers)
    task = tasks.digits([1000])
    x, y = task.data["test"]
    upright = x.reshape(1, -1, 8, 8).rot90(-1, (2, 3)).flatten(2)
    right = lambda x: float(
        (task.logits(x, lambda i, x: x.new_zeros(())).argmax(-1) == y).float().mean()
    )
    assert right(upright) > 0.85  # it was trained on upright digits, of which these are other ones
    assert right(x) < 0.5


def test_the_shares_of_real_layers():
    """EVA without centring comes near the largest signal of a token on digits, and the centred one
    far from the largest E|Ax|^2."""
    layers = networks.digits_layers(1000)
    least = lambda name, of: min(one["captured"][name][of] for one in layers)
    assert least("EVA uncentred", "token") > 0.95
    assert least("gradient_signal", "token") == pytest.approx(1, abs=1e-6)
    assert least("EVA", "inputs") < 0.6
    assert least("EVA uncentred", "inputs") == pytest.approx(1, abs=1e-6)
