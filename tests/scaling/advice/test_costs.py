"""Bytes that training keeps and seconds that an initialization takes, against counts."""

from statistics import mean

import pytest
import torch

pytest.importorskip("transformers")

import lora
from scaling.advice import advice, costs
from scaling.core.config import Config
from tests.support.probes import RANK, data, net, squares


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
