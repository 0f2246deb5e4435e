"""The cells of the task-directions family: planted problems, where directions come from, the training loop, digits."""

import math

import numpy as np
import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, nn

import lora
from lora.variants.dash import DashLinear
from proxies.families.task_directions.trials import (
    digits,
    directions,
    first_step,
    invariants,
    nulls,
    planted,
    predictions,
    recall,
    steps,
    training,
    tuning,
)
from proxies.families.task_directions.trials.planted import LAYER, SIZE
from theory.task_directions import directions as theory

EPS32 = torch.finfo(torch.float32).eps


def standard_errors(draws: np.ndarray, expected: float) -> float:
    return abs(draws.mean() - expected) / (draws.std(ddof=1) / np.sqrt(len(draws)))


def dash(model: nn.Module, name: str = LAYER) -> DashLinear:
    layer = lora.adapters(model)[name]
    assert isinstance(layer, DashLinear)
    return layer


# --- planted problems -------------------------------------------------------------------------------------------


def check_planted(case: str, seed: int) -> None:
    """T is where it is said to be, D has rate about 1 on it, and what is off the core is of the size that is said."""
    given, setting = planted.problem(case, seed), planted.CASES[case]
    again = theory.core(given.W)
    assert np.abs(np.sum(again.U * given.basis.U, 0) * np.sum(again.Vt * given.basis.Vt, 1) - 1).max() <= 1e-9
    T = sorted(given.chosen.tolist())
    expected = {"top": range(8), "bottom": range(SIZE - 8, SIZE), "middle": range(28, 36)}
    if setting.where in expected:
        assert list(expected[setting.where]) == T
    assert len(set(T)) == 8
    C = given.basis.U.T @ given.D @ given.basis.Vt.T
    if setting.where == "none":
        assert np.linalg.matrix_rank(given.D) == planted.RANK_WITHOUT
        assert np.linalg.norm(given.D) == pytest.approx(np.linalg.norm(given.basis.sigma[given.chosen]))
    else:
        rest = C.copy()
        rest[given.chosen, given.chosen] = 0
        size = np.linalg.norm(given.basis.sigma[given.chosen])
        deviation = setting.off * size / SIZE  # of one entry
        assert np.linalg.norm(rest) == pytest.approx(setting.off * size, rel=5 / SIZE)
        off = np.abs(np.abs(C[given.chosen, given.chosen]) - given.basis.sigma[given.chosen])
        assert off.max() <= 5 * deviation
    values = np.sort(np.linalg.eigvalsh(given.root @ given.root.T))[::-1]
    assert values.mean() == pytest.approx(1)
    assert values[0] / values[-1] == pytest.approx(SIZE if setting.inputs == "1/i" else 1)


@pytest.mark.parametrize("case", planted.CASES)
def test_directions_are_planted_where_they_are_said_to_be(case):
    check_planted(case, 1000)


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


@pytest.mark.parametrize("case", ["random", "random, inputs 1/i"])
def test_a_planted_task_is_the_regression_that_is_stated(case):
    check_planted_task(case, 1000)


# --- where directions come from ---------------------------------------------------------------------------------


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


def test_sources_are_what_they_are_called():
    check_sources(1000)


@given(st.integers(2, 16), st.integers(2, 16), st.integers(1000, 2**32))
def test_a_change_can_be_given_any_ranking(out, in_, seed):
    rng = Generator().manual_seed(seed)
    W, change = torch.randn(2, out, in_, generator=rng, dtype=torch.float64)
    score = torch.randperm(min(out, in_), generator=rng) + 1.0
    basis = theory.core(W)
    found = theory.rates(basis, directions.ranked(W, score.double()).numpy(), eps=0)
    np.testing.assert_allclose(found, score, rtol=1e-6)  # a square Gaussian weight may have a small last sigma
    by_size = theory.rates(basis, directions.by_size(W, change).numpy(), eps=0)
    expected = np.abs(theory.coordinates(basis, change.numpy()))
    np.testing.assert_allclose(by_size, expected, atol=1e-6 * expected.max())


def test_the_start_of_lora_init_takes_the_directions_of_its_source():
    for name, source in (("Init, oracle", "oracle"), ("Init, random", "random")):
        on, given = planted.task("random", 1000), planted.problem("random", 1000)
        layer = lora.adapters(training.trained(on, name, 1e-3, 1, 1000))[LAYER]
        assert layer.B0 is not None
        assert layer.A0 is not None
        start = layer.scale * (layer.B0 @ layer.A0).double().numpy()
        picked = directions.SOURCES[source](on, Generator().manual_seed(training.PICK + 1000))[LAYER]
        I = theory.top(theory.rates(given.basis, picked.double().numpy()), training.RANK)
        expected = (given.basis.U[:, I] * given.basis.sigma[I]) @ given.basis.Vt[I]
        assert np.abs(start - expected).max() <= 1000 * EPS32


# --- the training loop ------------------------------------------------------------------------------------------


def check_loop(name: str, seed: int = 1000, count: int = 104, rate: float = 1e-2) -> None:
    """`trained` against the same run written out: lora.attach, torch's own loop, lora.launch after 100 updates."""
    on = planted.task("random", seed)
    method = training.METHODS[name]
    settings = lora.Config(
        rank=method.rank, alpha=2 * method.rank, target_modules=(LAYER,), seed=seed,
        variant="dash" if method.dash else "plain", variant_options={"directions": 8} if method.dash else {},
    )  # fmt: skip
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


@pytest.mark.parametrize("name", ["LoRA, r", "LoRA, r + s", "Dash, pre-launch"])
def test_the_loop_is_the_one_that_anybody_would_write(name):
    check_loop(name)


@pytest.mark.parametrize(("count", "launches"), [(100, False), (101, True)])
def test_dash_launches_after_a_hundred_updates(count, launches):
    layer = dash(training.trained(planted.task("random", 1000), "Dash, pre-launch", 1e-2, count, 1000))
    assert (int(layer.chosen[0]) >= 0) == launches
    assert bool(layer.d.any()) == launches


def test_a_pre_launch_counts_among_the_updates(monkeypatch):
    fitted = []
    monkeypatch.setattr(training, "fit", lambda model, task, rate, steps, *rest, **more: fitted.append(steps))
    monkeypatch.setattr(training, "change", lambda model: {LAYER: torch.eye(SIZE)})
    for name in ("LoRA, r", "Dash, gradient", "Init, pre-launch", "TSD, pre-launch"):
        training.trained(planted.task("random", 1000), name, 1e-2, 300, 1000)
    assert fitted == [300, 300, 100, 200, 100, 200]


def test_tsd_scales_the_directions_of_its_start_and_more(monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *rest, **more: None)
    monkeypatch.setattr(training, "change", lambda model: {LAYER: planted.tensor(planted.problem("random", 1000).D)})
    given = planted.problem("random", 1000)
    layer = dash(training.trained(planted.task("random", 1000), "TSD, pre-launch", 1e-2, 300, 1000))
    ranking = theory.top(theory.rates(given.basis, given.D), 8).tolist()
    assert layer.chosen.tolist() == ranking
    assert layer.B0 is not None
    inside = given.basis.U[:, ranking[: training.RANK]]
    outside = layer.B0.double().numpy() - inside @ (inside.T @ layer.B0.double().numpy())
    assert np.abs(outside).max() <= 1000 * EPS32, "the start lies in the first r of them"


def test_every_method_is_trained_from_the_pretrained_function():
    on = planted.task("bottom", 1001)
    x, _ = on.batch(Generator().manual_seed(0))
    expected = on.model()(x)
    for name in training.METHODS:
        if "prelaunch" in (training.METHODS[name].start, training.METHODS[name].dash):
            continue  # the same start, after a hundred updates that it would take to see it
        model = training.trained(on, name, 1e-2, 0, 1001)
        assert (model(x) - expected).abs().max() <= 100 * EPS32 * expected.abs().max(), name


@pytest.mark.parametrize(("name", "rank"), [("Dash, pre-launch", 12), ("Init, gradient", 8), ("TSD, gradient", 16)])
def test_each_is_exported_as_plain_lora_and_can_be_resumed(tmp_path, name, rank):
    """Stock PEFT computes the same function from what is saved; a state_dict has all that training goes on from."""
    on = planted.task("random", 1000)
    model = training.trained(on, name, 1e-2, 120, 1000)
    x, _ = on.batch(Generator().manual_seed(0))
    expected = model(x).detach()
    lora.save(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(on.model(), str(tmp_path))
    assert (theirs(x) - expected).abs().max() <= 1000 * EPS32 * expected.abs().max()
    assert theirs.peft_config["default"].r == rank  # type: ignore[union-attr]
    again = training.trained(on, name, 1e-2, 0, 1000)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(x), expected)


# --- rates ------------------------------------------------------------------------------------------------------


@given(st.integers(-9, 1))
def test_the_search_ends_inside_where_the_best_rate_can_be_reached(best):
    tried = []
    found = tuning.search(lambda i: tried.append(i) or abs(i - best))
    assert found == best
    assert {best - 1, best, best + 1} <= set(tried)


def test_a_search_without_an_end_stops_and_is_not_used(monkeypatch):
    tried: set[int] = set()
    assert tuning.search(lambda i: tried.add(i) or -float(i)) == tuning.MIDDLE + 1 + tuning.MOST
    monkeypatch.setattr(tuning, "finished", lambda case, method, rate, steps, seed: {"error": 1 / rate})
    assert tuning.tuned("random", "LoRA, r", [1], 1, 300)["edge"]


def test_rates_are_chosen_on_other_seeds_and_a_diverged_run_is_never_best(monkeypatch):
    seen: dict[int, list[float]] = {}

    def finished(case, method, rate, steps, seed):
        seen.setdefault(seed, []).append(rate)
        return {"error": math.nan if rate > 0.02 else (math.log10(rate) + 2) ** 2 + seed / 1e7}

    monkeypatch.setattr(tuning, "finished", finished)
    found = tuning.tuned("random", "LoRA, r", [7, 8], 2, 300)
    assert found["rate"] == pytest.approx(1e-2)
    assert not found["edge"]
    assert found["validation"][-1] is None
    assert seen[7] == seen[8] == [found["rate"]], "the compared seeds see one rate"
    assert set(seen) == {7, 8, tuning.VALIDATION, tuning.VALIDATION + 1}


def check_finished(seed: int) -> None:
    """The bound is a bound, up to float32, and near what is reached; ranks are those of the change."""
    for method, rank in (("Init, oracle", 8), ("LoRA, r", 4), ("Dash, gradient", 12)):
        run = tuning.finished("random", method, 1e-2, 400, seed)
        assert run["ranks"] == rank
        if method != "Dash, gradient":
            assert 1 - 1e-3 <= run["error"] / run["bound"] <= 1.05


def test_a_run_is_held_to_its_bound():
    check_finished(1000)


# --- digits -----------------------------------------------------------------------------------------------------


def test_a_task_never_trains_on_its_test_images():
    images, labels = digits.images()
    for kind in digits.KINDS:
        (x, y), (x_test, y_test) = digits.data(kind, 1000)
        assert (len(y), len(y_test)) == (digits.TRAIN, len(labels) - digits.TRAIN)
        order = torch.randperm(len(labels), generator=Generator().manual_seed(digits.SPLIT + 1000))
        turned = images.rot90(int(kind[-1]), (-2, -1)) if kind.startswith("turn") else images
        assert torch.equal(x_test, turned[order[digits.TRAIN :]].flatten(1))
        assert torch.equal(x, turned[order[: digits.TRAIN]].flatten(1))
        renamed = dict(zip(labels[order].tolist(), [*y.tolist(), *y_test.tolist()], strict=True))
        pairs = set(zip(labels[order].tolist(), [*y.tolist(), *y_test.tolist()], strict=True))
        assert len(pairs) == 10 == len(set(renamed.values())), "a permutation of the labels"
        assert (renamed == {i: i for i in range(10)}) == kind.startswith("turn")
    assert not torch.equal(digits.data("labels 1", 1000)[0][1], digits.data("labels 2", 1000)[0][1])


def test_the_net_knows_its_digits_and_not_yet_the_task():
    x, y = digits.data("", 1000)[1]
    assert float((digits.base(1000)(x).argmax(1) == y).double().mean()) > 0.93
    on = digits.task("turn 1", 1000)
    assert on.error(on.model()) > 0.5
    model, wanted = on.model(), on.wanted()
    with torch.no_grad():
        for name, change in wanted.items():
            model.get_submodule(name).weight.add_(change)  # type: ignore[union-attr]
    # the head and the biases, which full fine-tuning moved too, are as they were
    assert on.error(model) < 0.5 * on.error(on.model())


def check_foretold(seed: int) -> None:
    """Each task with each source, score and size once; the rotated change is at chance, the true one is not."""
    found = predictions.foretold(seed, 10, 10)
    keys = [(r["task"], r["source"], r["score"], r["sizes"]) for r in found["overlaps"]]
    others = len(digits.KINDS) * (len(digits.KINDS) - 1)
    assert len(keys) == 6 * (others + len(digits.KINDS) * 3)
    assert {source for _, source, _, _ in keys} == {"LoRA 10", "gradient", "rotated", predictions.TASK}
    by_size = lambda source: [r["value"] - r["null"] for r in found["overlaps"]
                              if (r["source"], r["score"]) == (source, "abs")]  # fmt: skip
    assert abs(np.mean(by_size("rotated"))) < 0.1  # 18 overlaps of spread 0.1
    assert np.mean(by_size("gradient")) > 0.4
    assert all(0 < p["phi"] < 1 and p["held"] > 8 / 128 for p in found["profiles"])


def test_what_is_foretold_on_digits():
    check_foretold(1000)


# --- nulls, recall, first steps ---------------------------------------------------------------------------------


def check_smallest(seed: int, size: int = 60, draws: int = 150) -> None:
    """The bidiagonal law against decompositions of Gaussian weights, by the mean of each singular value."""
    found = np.array([nulls.smallest(size, np.random.default_rng(seed + i)) for i in range(draws)])
    exact = np.array([nulls.spectrum("square", size, seed + i) for i in range(draws)])
    assert found.shape == exact.shape
    error = np.sqrt((found.var(0, ddof=1) + exact.var(0, ddof=1)) / draws)
    assert (np.abs(found.mean(0) - exact.mean(0)) <= 5 * error).all()
    assert (np.diff(found, axis=1) <= 0).all(), "the largest first"


def test_small_singular_values_of_a_large_weight_need_no_decomposition(monkeypatch):
    check_smallest(1000)
    whole = nulls.smallest(60, np.random.default_rng(3))
    monkeypatch.setattr(nulls, "SMALLEST", 5)
    np.testing.assert_allclose(nulls.smallest(60, np.random.default_rng(3)), whole[-5:], rtol=1e-9)


def test_unrelated_changes_are_counted_as_defined(monkeypatch):
    sigma = np.r_[np.full(100, 1e6), np.arange(20, 0, -1.0)]  # the last twenty alone are ever on top
    found = nulls.unrelated(sigma, 200, 1000)
    assert 0 < found["bottom_rank"] < 19
    assert found["equal"] < found["accuracy"] <= 1
    assert found["accuracy"] == pytest.approx(found["predicted"], abs=0.05)
    flat = nulls.unrelated(np.ones(64), 300, 1000)
    assert flat["accuracy"] == pytest.approx(16 / 64, abs=0.04)
    assert flat["recall"] == pytest.approx(8 / 64, abs=0.05)
    assert flat["left_out"] == pytest.approx(1 - 8 / 64, abs=0.08)
    assert flat["bottom_rank"] == pytest.approx(63 / 2, abs=2)
    steep = nulls.unrelated(np.arange(512, 0, -1.0) ** 2, 50, 1000)
    assert steep["slope"] == pytest.approx(-2, abs=0.2)


@pytest.mark.skipif(not nulls.available(), reason="needs MiniLM")
def test_the_trained_weights_are_those_of_six_blocks():
    weights = nulls.trained_weights()
    square = [name for name, W in weights.items() if W.shape == (384, 384)]
    assert (len(square), len(weights)) == (24, 36)
    assert all("attention" in name for name in square)
    records = nulls.transformer(2, 1000)
    assert [r["square"] for r in records] == [name in square for name in weights]


def test_recall_is_perfect_for_the_oracle_of_a_clear_plan_and_low_for_what_knows_nothing():
    found = [recall.recall("middle", 8, seed) for seed in range(1000, 1004)]
    mean = lambda name: float(np.mean([r[name] for r in found]))
    assert mean("oracle, abs") == 1
    assert mean("inputs") < 0.4
    assert mean("LoRA 1, rate") < mean("LoRA 100, rate")
    assert float(np.mean([r["null"]["abs"] for r in found])) == pytest.approx(8 / 64, abs=0.06)


def test_the_first_step_of_a_layer_is_the_formulas():
    one = first_step.identified(24, 4, 4000, 1000)
    assert one["snr"] == pytest.approx(one["predicted"], rel=5 * 3 / 4000**0.5)
    assert one["mean"] == pytest.approx(1, abs=5 / (one["snr"] * 4000**0.5))
    two = first_step.speed(24, 4, 200, 1000)
    draws = np.array(two["low_rank"])
    assert standard_errors(draws, two["d"] / two["predicted"]) <= 4.5
    assert two["predicted"] == 3 * 24 / (4 * 4)


# --- laws and steps ---------------------------------------------------------------------------------------------


def check_invariants(variant: str, seed: int) -> None:
    found = invariants.invariants(variant, seed)
    assert found["start"] == found["launch"] == 0
    assert found["finite"] == 1
    # worst of 300 fresh draws: 3e-14
    assert max(found[name] for name in ("gradient", "merged", "exported", "rotated")) <= 1e-11


@pytest.mark.parametrize("variant", ["dash", "tsd"])
@settings(max_examples=30)
@given(st.integers(1000, 2**32))
def test_starts_and_launches_change_nothing(variant, seed):
    check_invariants(variant, seed)


@pytest.mark.parametrize(("loop", "by_forwards"), [("plain", 100), ("checkpointing", 50), ("accumulation", 25)])
def test_a_launch_is_by_updates_where_forwards_differ(loop, by_forwards):
    found = steps.launched(loop, 1000)
    assert found["by_forwards"] == by_forwards
    assert found["before"] == 100
    assert found["chosen"] == steps.launched("plain", 1000)["chosen"]


def check_resumed(stop: int) -> None:
    assert steps.resumed(stop, 1000) == {"distance": 0, "same": 1}


@pytest.mark.parametrize("stop", [1, 99, 100, 101, 119])
def test_a_resumed_run_ends_where_one_that_was_not_stopped_does(stop):
    check_resumed(stop)
