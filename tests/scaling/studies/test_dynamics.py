"""A training of OP-LoRA, followed step by step."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

import lora
from loralab.memo import Memo
from loralab.store import Store
from paper_figs import dynamics as figures
from scaling.core.config import Config as FineTuneConfig
from scaling.studies import dynamics
from scaling.studies.dynamics import Config
from scaling.studies.evidence.dynamics import Watched, evidence
from scaling.studies.trials import dynamics as trials
from tests.support.finetuning import tiny_llama
from tests.support.sweeps import here
from tests.support.text_rows import WORDS
from tests.support.worlds import dynamics as made
from theory.matfac.adaptation import adam_hidden_change
from theory.matfac.generator_network import Generator


def trained(steps: int, micro: int = 1) -> tuple[Any, list[dict[str, Any]]]:
    """What is seen of a generated layer that Adam trains on least squares, and its network and
    values before each step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5, bias=False).double())
    lora.attach(model, lora.Config(rank=2, variant="overparam", target_modules=("0",)))
    [layer] = lora.adapters(model).values()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-4)
    x, y = torch.randn(12, 6).double(), torch.randn(12, 5).double()
    known = []
    with trials.watched() as seen:
        for _ in range(steps):
            optimizer.zero_grad()
            with lora.accumulate(model):
                for part in np.array_split(np.arange(12), micro):
                    (0.5 * (model(x[part]) - y[part]).square().sum()).backward()
            network: Any = layer.generator
            with torch.no_grad():
                model(x)  # an evaluation is no step
                known.append(
                    {
                        "theta": torch.cat([v.flatten() for v in network().values()]).numpy(),
                        "grad": torch.cat(
                            [network.head(name).bias.grad for name in network.heads]
                        ).numpy(),
                        "h": network.hidden().numpy().copy(),
                        "inner": (network.z.numpy().copy(), network.W1.numpy().copy()),
                        "bias": network.b1.numpy().copy(),
                    }
                )
            optimizer.step()
    [watched] = seen.values()
    return watched, known


@pytest.mark.parametrize("micro", [1, 3])
def test_every_step_of_a_training_is_followed(micro):
    watched, known = trained(5, micro)
    assert watched.factor == pytest.approx([1 + np.abs(step["h"]).sum() for step in known])
    wanted = [
        -(after["theta"] - before["theta"]) @ after["grad"] for before, after in pairwise(known)
    ]
    assert watched.agreement == pytest.approx(wanted)


def test_the_second_step_is_the_one_that_theory_derives():
    watched, known = trained(3)
    (z, W1), first, second = known[0]["inner"], known[0]["grad"], known[1]["grad"]
    size = len(known[0]["theta"])
    state = Generator(z, W1, known[0]["bias"], np.zeros((size, len(W1))), known[0]["theta"])
    change = np.abs(known[2]["h"]).sum() - np.abs(known[1]["h"]).sum()
    predicted = adam_hidden_change(state, first, second, 1e-4).sum()
    assert np.sign(change) == np.sign(predicted) == np.sign(watched.agreement[0])
    assert change == pytest.approx(predicted, rel=0.05)  # to leading order in the learning rate


def test_nothing_is_watched_outside():
    with trials.watched() as seen:
        pass
    network = trained(1)[0]
    assert network
    assert not seen


def test_a_seed_whose_layers_all_agree_tells_nothing():
    agree = made.run(0)._replace(agreement=[[1.0] * 6] * made.LAYERS)
    found = evidence([*made.world(), agree])["LM14"]
    assert found["second step"] is found["later steps"] is None
    assert found["by how much"] is not None


def test_each_seed_is_a_run_of_its_own(monkeypatch, tmp_path):
    asked: list[dict[str, Any]] = []

    def effective_rates(settings: dict[str, Any], peft: None) -> dict[str, Any]:
        asked.append(settings)
        return made.run(settings["seed"] % 1000)._asdict()

    monkeypatch.setattr(trials, "effective_rates", effective_rates)
    memo = Memo(Store(tmp_path / "store.sqlite"), "dynamics", "code", compute=here)
    found = dynamics.measure(Config(seeds=3, block=3000), memo)
    values = {key: m and m.value for key, m in found.measured["LM14"].items()}
    assert values == pytest.approx(made.EXPECTED["LM14"])
    assert [(s["seed"], s["variant"], s["lr"], s["steps"]) for s in asked] == [
        (seed, "overparam", 3.2e-4, 40) for seed in (3000, 3001, 3002)
    ]
    assert list(figures.figures(found.data)) == ["factor"]
    quick = dynamics.measure(dynamics.PROXY.quick, memo)
    assert not any(quick.measured["LM14"].values())
    assert quick.data == {}
    with pytest.raises(ValueError, match="--steps must be at least 1"):
        Config(steps=0)


def test_a_whole_run_is_followed(tmp_path):
    rows = [f'{{"text": "{word} one"}}\n' for word in WORDS[:3]]
    (tmp_path / "train.jsonl").write_text("".join(rows))
    settings = FineTuneConfig.of(
        task="causal_lm",
        model=str(tiny_llama(tmp_path / "model", WORDS)),
        train=str(tmp_path / "train.jsonl"),
        test=str(tmp_path / "train.jsonl"),
        variant="overparam",
        steps=3,
        batch=2,
        length=16,
    ).as_json()
    found = Watched(**trials.effective_rates(settings, None))
    layers = len(found.factor)
    assert layers > 1
    assert np.array(found.factor).shape == (layers, 3)
    assert np.array(found.agreement).shape == (layers, 2)
    assert np.array(found.factor).min() >= 1
