"""What is measured in real layers: rows of every initialization, their shares, and real text."""

import ast
from dataclasses import replace

import pytest
import torch

import lora
from proxies.families.gradient_signal.claims.setting import COMPETITORS, MOVED, TOKENS, TRAINED
from proxies.families.gradient_signal.trials import networks, text
from proxies.families.gradient_signal.trials import rows as row_trials
from proxies.families.gradient_signal.trials.tasks import TASKS
from proxies.instruments import optional
from tests.support.laws.gradient_signal import example, layer, linear_loss
from theory.gradient_signal import optimum as theory


def check_starts() -> None:
    """Length and direction of all rows, on a population whose second moments are exact."""
    p = example()
    stats = lora.collect(layer(p), ["0"], [(p.x, p.g)], "gradient", linear_loss)["0"]
    rows = row_trials.initial_rows(stats, torch.zeros(p.g.shape[1], p.x.shape[1]), p.rank, 0)
    assert tuple(rows) == row_trials.ROWS
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


def test_factors_of_all_that_are_trained():
    """B = 0 for all but the competitors, in one order of layers; moved ranks are padded."""
    rng = torch.Generator().manual_seed(0)
    x, g = (torch.randn(200, n, generator=rng).double() for n in (12, 10))
    layer = torch.nn.Sequential(torch.nn.Linear(12, 10, bias=False)).double()
    stats = lora.collect(layer, ["0"], [(x, g)], "gradient", linear_loss)
    weights = {"0": torch.randn(10, 12, generator=rng)}
    names = (*row_trials.ROWS, *COMPETITORS, MOVED)
    assert set(names) >= {name for trained in TRAINED.values() for name in trained}
    found = row_trials.initial_factors(names, stats, weights, 4, 0)
    assert tuple(found) == names
    for name, ((B, A),) in found.items():
        assert B.any() == (name in COMPETITORS), name
        assert A.shape == ((8, 12) if name == MOVED else (4, 12)), name
    ((_, moved),), ((_, own),) = found[MOVED], found["EVA"]
    assert torch.equal(moved, torch.cat([own, torch.zeros(4, 12)]))
    pissa = found["PiSSA"][0]
    U, S, Vh = torch.linalg.svd(weights["0"])
    assert torch.allclose(pissa.B @ pissa.A, (U[:, :4] * S[:4]) @ Vh[:4], atol=1e-5)
    assert len({tuple(pair.A.flatten().tolist()) for (pair,) in found.values()}) == len(found)


@pytest.mark.skipif(not optional.minilm(), reason="needs MiniLM")
@pytest.mark.parametrize("source", [text.docstrings, text.code])
def test_texts_are_real_and_no_text_is_in_two_parts(source, monkeypatch):
    monkeypatch.setattr(text, "PACKAGES", ("networkx", "peft"))
    texts, labels = text.labelled(source, 5, [0], 0)
    again, both = text.labelled(source, 5, [0], 0), text.labelled(source, 5, [0, 1], 0)
    assert texts == again[0]
    assert torch.equal(labels, again[1])
    assert both[0][:10] == texts
    assert torch.equal(both[1][:10], labels)
    assert set(texts) != set(text.labelled(source, 5, [0], 1)[0])
    assert torch.equal(labels.bincount(), torch.full((2,), 5))
    assert len(set(both[0])) == len(both[0]) == 20
    assert all(40 <= len(one) <= 300 for one in texts)
    batch = text.tokens(texts)
    assert batch["input_ids"].shape == (10, TOKENS)
    assert {len(piece["input_ids"]) for piece in text.split(batch, 6)} == {6, 4}
    with pytest.raises(ValueError, match="has no part 400 of 5 texts"):
        text.labelled(source, 5, [400], 0)


def test_what_is_read_of_a_function():
    (node,) = ast.parse(
        'def f(x):\n    """First\n    line.\n\n    Second."""\n    a = 1\n    b = 2\n'
        "    c = 3\n    return x"
    ).body
    assert isinstance(node, ast.FunctionDef)
    assert text.docstrings(node) == "First line."
    assert text.code(node) == "a = 1 b = 2 c = 3"


def test_bounds_on_real_layers_hold_and_the_digits_network_knows_digits():
    layers = networks.digits_layers(0)
    assert all(one["inside"] for one in layers)
    task = TASKS["digits"]([0], 0)
    x, y = task.data["test"]
    upright = x.reshape(1, -1, 8, 8).rot90(-1, (2, 3)).flatten(2)
    right = lambda x: float((task.outputs(x).argmax(-1) == y).float().mean())
    assert right(upright) > 0.85  # it was trained on upright digits, of which these are other ones
    assert right(x) < 0.5


def test_the_shares_of_real_layers():
    """EVA without centring comes near the largest signal of a token on digits, and the centred one
    far from the largest E|Ax|^2."""
    layers = networks.digits_layers(0)
    least = lambda name, of: min(one["captured"][name][of] for one in layers)
    assert least("EVA uncentred", "token") > 0.95
    assert least("gradient_signal", "token") == pytest.approx(1, abs=1e-6)
    assert least("EVA", "inputs") < 0.6
    assert least("EVA uncentred", "inputs") == pytest.approx(1, abs=1e-6)
