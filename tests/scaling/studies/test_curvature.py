"""The curvature of a language model's loss where the training of an adapter begins."""

from typing import Any

import numpy as np
import pytest
import torch

import lora
from loralab.memo import Memo
from loralab.store import Store
from paper_figs import curvature as figures
from scaling.comparison import trials as sweep
from scaling.core.config import Config as FineTuneConfig
from scaling.studies import curvature, tables
from scaling.studies.claims.curvature import METHODS
from scaling.studies.curvature import Config
from scaling.studies.evidence.curvature import slopes
from scaling.studies.trials import curvature as trials
from scaling.studies.trials.methods import BEST
from scaling.training import adapting
from scaling.training.job import on_batches
from tests.support.finetuning import tiny_llama
from tests.support.sweeps import here
from tests.support.text_rows import WORDS
from tests.support.worlds import curvature as made


@pytest.mark.parametrize("power", [-1.0, -0.4, 0.5])
def test_a_law_of_powers_is_found(power):
    """However large the eigenvalues of a seed are, and the learning rates."""
    rates = {
        name: [k * x**power for k, x in zip((1.0, 0.3), values, strict=False)]
        for name, values in made.SHARPNESS.items()
    }
    pairs = {name: values[:2] for name, values in made.SHARPNESS.items()}
    assert slopes(pairs, rates) == pytest.approx([power] * 2)


@pytest.mark.parametrize("scheme", ["init_a", "init_b"])
def test_the_eigenvalue_is_the_largest_of_the_hessian(tmp_path, monkeypatch, scheme):
    """Of as many parameters as a dense Hessian can be had of, row by row of central differences of
    the gradient."""
    rows = [f'{{"text": "{WORDS[k % 3]} {WORDS[k % 2]} {WORDS[k % 5]}"}}\n' for k in range(8)]
    (tmp_path / "train.jsonl").write_text("".join(rows))
    config = FineTuneConfig.of(
        task="causal_lm",
        model=str(tiny_llama(tmp_path / "model", WORDS)),
        train=str(tmp_path / "train.jsonl"),
        test=str(tmp_path / "train.jsonl"),
        batch=2,
        length=8,
        rank=1,
        scheme=scheme,
        steps=4,
        precision="bfloat16",
    )
    monkeypatch.setattr(trials, "TOLERANCE", 1e-6)
    kept: list[Any] = []
    attach = adapting.attach
    monkeypatch.setattr(adapting, "attach", lambda job: (kept.append(job), attach(job)))
    found = trials.sharpness(config.as_json(), None)
    [job] = kept
    model = job.loaded.model.double()
    batches = on_batches(job, list, 2)
    assert len(batches) == 2
    assert all(layer.B.shape[1] == 1 for layer in lora.adapters(model).values())
    trained = [p for p in model.parameters() if p.requires_grad]

    def gradient(at: torch.Tensor) -> torch.Tensor:
        torch.nn.utils.vector_to_parameters(at, trained)
        mean = torch.stack([model(**batch).loss for batch in batches]).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(mean, trained)])

    start = torch.nn.utils.parameters_to_vector(trained).detach().clone()
    step = 1e-4
    moves = step * torch.eye(len(start), dtype=start.dtype)
    hessian = torch.stack([gradient(start + d) - gradient(start - d) for d in moves]) / (2 * step)
    largest = np.linalg.eigvalsh((hessian + hessian.mT).numpy() / 2)[-1]
    # differences of the second order, and float32
    assert found == pytest.approx(largest, rel=1e-3)


def name_of(settings: dict[str, Any]) -> str:
    schemes = ("init_a", "pissa", "milora", "olora", "lora_ga")
    return dict(zip(schemes, METHODS, strict=True))[settings["scheme"]]


def test_each_method_and_seed_has_an_eigenvalue_and_a_best_learning_rate(monkeypatch, tmp_path):
    asked: list[dict[str, Any]] = []

    def sharpness(settings: dict[str, Any], peft: None) -> float:
        asked.append(settings)
        return made.SHARPNESS[name_of(settings)][settings["seed"] % 1000]

    def fine_tuned(settings: dict[str, Any], peft: None = None) -> dict[str, Any]:
        name = name_of(settings)
        # by the exploratory best learning rate the made-up one is moved into the grid
        rate = settings["lr"] / BEST[name] * made.BEST[name]
        return made.run(name, rate) | {"test_data": settings["seed"]}

    monkeypatch.setattr(trials, "sharpness", sharpness)
    monkeypatch.setattr(sweep, "fine_tuned", fine_tuned)
    memo = Memo(Store(tmp_path / "store.sqlite"), "curvature", "code", compute=here)
    found = curvature.measure(Config(seeds=3, block=3000), memo)
    values = {id: {k: m and m.value for k, m in of.items()} for id, of in found.measured.items()}
    assert values["LM17"] == pytest.approx(made.EXPECTED["LM17"])
    moved = {f"{n}, learning rate": BEST[n] / BEST["LoRA"] for n in METHODS[1:]}
    rates = {key: value for key, value in values["LM17b"].items() if key != "slope"}
    assert rates == pytest.approx(moved, rel=1e-6)
    assert len(asked) == len(METHODS) * 3
    assert {each["seed"] for each in asked} == {3000, 3001, 3002}
    assert list(figures.figures(found.data)) == ["rates"]
    quick = curvature.measure(curvature.PROXY.quick, memo)
    assert not any(v for of in quick.measured.values() for v in of.values())


def test_the_table_has_the_published_learning_rates():
    first, second, *_ = tables.curvature_means(made.SHARPNESS, made.RATES)
    assert first["method"] == "LoRA"
    assert first["as published"] is None
    assert second["as published"] == 0.1
    assert second["over LoRA's"] == pytest.approx(made.BEST["PiSSA"] / made.BEST["LoRA"])
