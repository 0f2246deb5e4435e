"""The trials of the task-directions family, as checks."""

import numpy as np
import pytest
import torch
from torch import Generator, nn

import lora
from lora.variants.dash import DashLinear
from proxies.families.task_directions.trials import (
    directions,
    networks,
    nulls,
    planted,
    predictions,
    training,
    tuning,
)
from proxies.families.task_directions.trials.planted import LAYER, SIZE
from tests.support.trials.task_directions import invariants, launches
from theory.task_directions import directions as theory

EPS32 = torch.finfo(torch.float32).eps


def dash(model: nn.Module, name: str = LAYER) -> DashLinear:
    layer = lora.adapters(model)[name]
    assert isinstance(layer, DashLinear)
    return layer


def check_planted(case: str, seed: int) -> None:
    """T is where it is said to be, D has rate about 1 on it, and what is off the core is of the
    size that is said."""
    given, setting = planted.problem(case, seed), planted.CASES[case]
    again = theory.core(given.W)
    assert (
        np.abs(np.sum(again.U * given.basis.U, 0) * np.sum(again.Vt * given.basis.Vt, 1) - 1).max()
        <= 1e-9
    )
    T = sorted(given.chosen.tolist())
    expected = {"top": range(8), "bottom": range(SIZE - 8, SIZE), "middle": range(28, 36)}
    if setting.where in expected:
        assert list(expected[setting.where]) == T
    assert len(set(T)) == 8
    C = given.basis.U.T @ given.D @ given.basis.Vt.T
    if setting.where == "none":
        assert np.linalg.matrix_rank(given.D) == planted.RANK_WITHOUT
        assert np.linalg.norm(given.D) == pytest.approx(
            np.linalg.norm(given.basis.sigma[given.chosen])
        )
    else:
        rest = C.copy()
        rest[given.chosen, given.chosen] = 0
        size = np.linalg.norm(given.basis.sigma[given.chosen])
        deviation = setting.off * size / SIZE  # of one entry
        assert np.linalg.norm(rest) == pytest.approx(setting.off * size, rel=5 / SIZE)
        if setting.grown:
            assert (C[given.chosen, given.chosen] > 0).all()
        off = np.abs(np.abs(C[given.chosen, given.chosen]) - given.basis.sigma[given.chosen])
        assert off.max() <= 5 * deviation
    values = np.sort(np.linalg.eigvalsh(given.root @ given.root.T))[::-1]
    assert values.mean() == pytest.approx(1)
    assert values[0] / values[-1] == pytest.approx(SIZE if setting.inputs == "1/i" else 1)


def check_planted_task(case: str, seed: int) -> None:
    """The targets are those of W + D up to noise, and the error is 1 at W and 0 at W + D."""
    on, given = planted.task(case, seed), planted.problem(case, seed)
    model = on.model()
    assert on.error(model) == pytest.approx(1, abs=1000 * EPS32)
    rng = Generator().manual_seed(seed)
    whole = planted.linear(given.W + given.D)
    assert on.error(whole) <= 1e-9  # rounding of float32 squared
    part = np.where(np.arange(SIZE) < SIZE // 3, given.D, 0)
    expected = np.sum(((part - given.D) @ given.root) ** 2) / np.sum((given.D @ given.root) ** 2)
    assert on.error(planted.linear(given.W + part)) == pytest.approx(expected, rel=1000 * EPS32)
    left, inputs = [], []
    for _ in range(40):
        x, y = on.batch(rng)
        left.append((y - whole(x)).detach().numpy())
        inputs.append(x.numpy())
    noise, x = np.concatenate(left), np.concatenate(inputs)
    assert noise.std() == pytest.approx(planted.NOISE, rel=5 / np.sqrt(2 * noise.size))
    whitened = np.linalg.solve(given.root, x.T)
    assert np.abs(whitened @ whitened.T / len(x) - np.eye(SIZE)).max() <= 6 / np.sqrt(len(x))


def launched(source: str, seed: int = 1000, case: str = "random") -> list[int]:
    on = planted.task(case, seed)
    model = on.model()
    lora.attach(model, training.config(training.Method(dash=source), on, seed))
    directions.launch(model, directions.SOURCES[source](on, Generator().manual_seed(seed)))
    return dash(model).chosen.tolist()


def check_sources(seed: int) -> None:
    """Every source launches the directions that it is named for, by the library's own ranking."""
    given = planted.problem("random", seed)
    assert launched("top", seed) == list(range(8))
    assert launched("bottom", seed) == list(range(SIZE - 1, SIZE - 9, -1))
    assert launched("oracle", seed) == theory.top(theory.rates(given.basis, given.D), 8).tolist()
    drawn = launched("random", seed)
    assert len(set(drawn)) == 8
    assert drawn not in (launched("random", seed + 1), launched("top", seed))
    # the gradient at W is -D S, S the inputs' sample moment: 1/sqrt(512) of noise beside rates of 1
    for source, score in (("gradient", theory.rates), ("gradient, by size", theory.coordinates)):
        true = theory.top(np.abs(score(given.basis, given.D)), 8)
        assert len(set(launched(source, seed)) & set(true.tolist())) >= 7


def check_loop(name: str, seed: int = 1000, count: int = 104, rate: float = 1e-2) -> None:
    """`trained` against the same run written out: lora.attach, torch's own loop, lora.launch after
    100 updates."""
    on = planted.task("random", seed)
    method = training.METHODS[name]
    settings = lora.Config(
        rank=method.rank,
        alpha=2 * method.rank,
        target_modules=(LAYER,),
        seed=seed,
        variant="dash" if method.dash else "plain",
        variant_options={"directions": 8} if method.dash else {},
    )
    model = on.model()
    lora.attach(model, settings)
    optimizer = torch.optim.AdamW(lora.param_groups(model, lr=rate), weight_decay=0, fused=True)
    rng = Generator().manual_seed(training.DATA + seed)
    for step in range(count):
        if method.dash and step == 100:
            lora.launch(model, optimizer)
        for group in optimizer.param_groups:
            group["lr"] = rate * max(0.02, 1 - step / count)
        x, y = on.batch(rng)
        optimizer.zero_grad()
        ((model(x) - y) ** 2).sum(1).mean().div(2).backward()
        optimizer.step()
    found = lora.adapters(training.trained(on, name, rate, count, seed))[LAYER].state_dict()
    for key, value in lora.adapters(model)[LAYER].state_dict().items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-7)


def check_finished(seed: int) -> None:
    """The bound is a bound, up to float32, and near what is reached; ranks are those of the
    change."""
    for method, rank in (("Init, oracle", 8), ("LoRA, r", 4), ("Dash, gradient", 12)):
        run = tuning.finished("random", method, 1e-2, 400, seed)
        assert run["ranks"] == rank
        if method != "Dash, gradient":
            assert 1 - 1e-3 <= run["error"] / run["bound"] <= 1.05


def check_predicted(seed: int) -> None:
    """Each task with each source, score and size once; the rotated change is at chance, the true
    one is not; of two tasks each is compared with the other's."""
    found = predictions.predicted("clusters", seed, 10, 100)
    keys = [(r["task"], r["source"], r["score"], r["sizes"]) for r in found["overlaps"]]
    kinds = networks.KINDS
    assert len(keys) == 6 * (2 * len(kinds) * (len(kinds) - 1) + len(kinds) * 5)
    assert set(keys) >= {
        (kind, source, score, "8 in 16")
        for kind in kinds
        for source in (
            *("LoRA 10", predictions.LORA, "gradient", "rotated"),
            *(predictions.RUN, predictions.TASK, predictions.LORA_OF_TASK),
        )
        for score in predictions.SCORES
    }
    by_size = lambda source: [
        r["value"] - r["null"]
        for r in found["overlaps"]
        if (r["source"], r["score"]) == (source, "abs")
    ]
    assert abs(np.mean(by_size("rotated"))) < 0.12  # 12 overlaps of spread 0.1
    assert np.mean(by_size("gradient")) > 0.4
    assert np.mean(by_size(predictions.RUN)) > np.mean(by_size(predictions.TASK)) > 0.4
    # another run is not the true one, and another task's LoRA is not the task's
    values = lambda source: {
        (r["task"], r["score"], r["sizes"], r["value"])
        for r in found["overlaps"]
        if r["source"] == source
    }
    for source in (predictions.RUN, predictions.TASK):
        assert any(value < 1 for *_, value in values(source)), source
    assert values(predictions.LORA_OF_TASK) - values(predictions.LORA)
    assert all(0 < p["phi"] < 1 and p["held"] > 8 / 128 for p in found["profiles"])


def check_smallest(seed: int, size: int = 60, draws: int = 150) -> None:
    """The bidiagonal law against decompositions of Gaussian weights, by the mean of each singular
    value."""
    found = np.array([nulls.smallest(size, np.random.default_rng(seed + i)) for i in range(draws)])
    exact = np.array([nulls.spectrum("square", size, seed + i) for i in range(draws)])
    assert found.shape == exact.shape
    error = np.sqrt((found.var(0, ddof=1) + exact.var(0, ddof=1)) / draws)
    assert (np.abs(found.mean(0) - exact.mean(0)) <= 5 * error).all()
    assert (np.diff(found, axis=1) <= 0).all(), "the largest first"


def check_invariants(variant: str, seed: int) -> None:
    found = invariants.invariants(variant, seed)
    assert found["initialization"] == found["launch"] == 0
    assert found["finite"] == 1
    # worst of 300 unseen draws: 3e-14
    assert max(found[name] for name in ("gradient", "merged", "exported", "rotated")) <= 1e-11


def check_resumed(stop: int) -> None:
    assert launches.resumed(stop, 1000) == {"distance": 0, "same": 1}
