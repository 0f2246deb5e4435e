"""The sweeps of image generation on made-up numbers, as checks."""

import json
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from loralab.statistics import Tuned
from proxies.families.overparam_generation.evidence import paired
from proxies.families.overparam_generation.trials import scores as judging
from proxies.families.overparam_generation.trials import sweep
from proxies.families.overparam_generation.trials.training import Plan
from proxies.instruments import digit_networks, digit_targets, flow_matching


def valley(exponents, best: float, width: float, level: float = 10.0, seeds: int = 6) -> np.ndarray:
    """(learning rates, seeds): distances that double every `width` exponents away from the best, a
    little apart by seed."""
    away = np.abs(np.array(exponents)[:, None] - best)
    return level * 2.0 ** (away / width) * (1 + np.arange(seeds) / 50)


def every_score(row: Any) -> dict[str, Any]:
    return dict.fromkeys(judging.SCORES, row)


def made_up(
    best: float, width: float = 1.0, test_best: float | None = None, diverged: Any = ()
) -> Any:
    """In place of `sweep.run`: validation with its least at `best`, the test's at `test_best`."""

    def run(problem, method, rank, exponents, plan):
        tables = [
            valley(exponents, at, width) for at in (best, best if test_best is None else test_best)
        ]
        for table in tables:
            for i, exponent in enumerate(exponents):
                if exponent in diverged:
                    table[i, 0] = math.nan
        return [
            sweep.Runs(
                validation,
                every_score(test),
                [[exponent] * 64],
                9,
                np.zeros_like(test),
            )
            for exponent, validation, test in zip(exponents, *tables, strict=True)
        ]

    return run


def swept(monkeypatch, *args: Any, **kwargs: Any) -> sweep.Sweep:
    monkeypatch.setattr(sweep, "run", made_up(*args, **kwargs))
    return sweep.swept(None, "LoRA", 1, Plan(1))  # type: ignore[arg-type]


def check_chosen(monkeypatch) -> None:
    """The learning rate is the validation's, what is reported the test's; one at which a seed
    diverged is never best."""
    found = swept(monkeypatch, -5, test_best=-4)
    assert found["rates"][found["best"] or 0] == pytest.approx(10**-2.5)
    assert paired.at_best(found) == pytest.approx(valley([-5], -4, 1.0)[0])
    found = swept(monkeypatch, -5, diverged=(-5, -4))
    assert found["rates"][found["best"] or 0] == pytest.approx(10**-3)
    assert found["validation"][3][0] is None, "a diverged run is no number"
    json.dumps(found, allow_nan=False)


def check_equal(monkeypatch) -> None:
    """A plain method is run where its first step is as long as a generator network's at 1e-4."""
    mean_of_h = 32 * math.sqrt((1 + 1 / 32) / (6 * math.pi))
    exponent = 2 * math.log10(1e-4 * (1 + mean_of_h))
    found = swept(monkeypatch, -5, test_best=-4)
    assert found["equal"] == pytest.approx(valley([exponent], -4, 1.0)[0])
    assert sweep.swept(None, "OP-DoRA", 1, Plan(1))["equal"] is None  # type: ignore[arg-type]


def check_parts(monkeypatch) -> None:
    """A run is trained on its seed's training images; images from each part's noises are scored
    beside that part's images by that seed's classifier."""
    problem, asked = small_problem(), []

    def train(base, initial, data, *more):
        assert all(one is split.train for one, split in zip(data, problem.splits, strict=True))
        return initial, None

    def score(images, real, problem, i):
        asked.append((images, real, i))
        return dict.fromkeys(judging.SCORES, 1.0)

    monkeypatch.setattr(sweep, "in_parts", lambda problem, size: [problem])
    monkeypatch.setattr(sweep, "train", train)
    monkeypatch.setattr(sweep, "draw", lambda base, parameters, x: x[None])
    monkeypatch.setattr(sweep, "scores", score)
    sweep.run(problem, "LoRA", 1, [-8], Plan(1))
    wanted = [
        (judging.noise(problem.seeds, part)[i], getattr(split, part), i)
        for part in ("validation", "test")
        for i, split in enumerate(problem.splits)
    ]
    for (images, real, i), (noise, part, seed) in zip(asked, wanted, strict=True):
        assert torch.equal(images, noise)
        assert real is part
        assert i == seed


def check_anchors() -> None:
    """Each set of reference images has its own scores, seed by seed."""
    networks, seeds = small_networks_of(), (1000, 1001)
    task = judging.problem(networks, "new classes", seeds)
    found = judging.anchors(networks, "new classes", seeds)["scores"]
    of_base = judging.drawn_by_base(task)
    for i, (one, split) in enumerate(zip(found, task.splits, strict=True)):
        sets = {
            "target": split.train,
            "seen": digit_targets.of(digit_targets.SEEN),
            "base": of_base[i],
        }
        for name, images in sets.items():
            for score, value in judging.scores(images, split.test, task, i).items():
                assert one[f"{name} {score}"] == value, (name, score)
        embedded = (task.judges[i].embed(z.clamp(-1, 1)).double() for z in (of_base[i], split.test))
        x, y = (z.mean(0) for z in embedded)
        shift = 10 * float((x - y).square().sum()) / one["base CMMD"]
        assert one["ten times the shift"] == pytest.approx(shift)


def check_grown(monkeypatch) -> None:
    """The grid grows towards an optimum, or a window, that it does not hold; no further than it
    may."""
    for best, side in ((-10, "low"), (1, "high"), (-8, "low")):
        found = swept(monkeypatch, best)
        assert (found["edge"], found["open"]) == ("", []), side
        assert len(found["rates"]) > 9
        assert found["rates"] == sorted(found["rates"])
        assert found["rates"][found["fixed"]] == pytest.approx(1e-4)
    assert swept(monkeypatch, 40)["edge"] == "high"
    flat = swept(monkeypatch, -4, width=100.0)
    assert flat["open"] == ["low", "high"]
    assert paired.widths(flat) is None
    assert paired.at_best(swept(monkeypatch, 40)) is None


def check_windows(monkeypatch) -> None:
    """Twice the distance `width` exponents away: 1.5 times is reached after log2(1.5) = 0.58
    width, between learning rates of the grid too. The window is the test's, the choice is
    validation's."""
    narrow, wide = swept(monkeypatch, -4, width=1.0), swept(monkeypatch, -5, width=4.0)
    side = math.log2(1.5) / 2  # decades for a width of one exponent
    for sweep_, best, width in ((narrow, -2.0, 1.0), (wide, -2.5, 4.0)):
        windows, ends = paired.widths(sweep_), paired.highest(sweep_)
        assert windows is not None
        assert ends is not None
        at = sweep_["best"] or 0
        assert np.asarray(windows.score)[at] == pytest.approx([2 * side * width] * 6)
        assert np.asarray(ends.score)[at] == pytest.approx([best + side * width] * 6)
    measured = paired.compared(paired.widths(wide), paired.widths(narrow), "difference")
    assert measured is not None
    assert measured.value == pytest.approx(6 * side)
    # chosen an exponent off the test's best one, where the distance is twice as large
    chosen = swept(monkeypatch, -4, test_best=-5)
    windows = paired.widths(chosen)
    assert windows is not None
    assert np.asarray(windows.score)[chosen["best"] or 0] == pytest.approx([1 + 2 * side] * 6)


def check_gaps() -> None:
    """A window ends where the distance first leaves it, and at the last learning rate before one
    at which the run diverged."""
    where = np.arange(6.0)
    curve = np.log([9.0, 1.0, 1.2, 1.8, 1.0, 9.0])
    assert paired._end(where, curve, 1, 1) == pytest.approx(2 + math.log(1.25) / math.log(1.5))
    assert paired._end(where, curve, 1, -1) == pytest.approx(1 - math.log(1.5) / math.log(9))
    curve[3] = math.inf
    assert paired._end(where, curve, 1, 1) == 2
    assert paired._end(where, np.zeros(6), 1, 1) == 5, "cut off by the grid"


def check_lag(monkeypatch) -> None:
    """A method that is another at a learning rate 10^0.75 times lower lags by 0.75 decades, between
    grid points too."""
    slow = swept(monkeypatch, -3, width=2.0)
    fast = swept(monkeypatch, -4.5, width=2.0)
    found = paired.lag(fast, slow, slow["rates"][2])
    assert found == pytest.approx([0.75] * 6)
    assert paired.lag(slow, fast, slow["rates"][2]) == pytest.approx([-0.75] * 6)
    far = swept(monkeypatch, -3, width=0.5)
    assert paired.lag(fast, far, far["rates"][2]) is None, (
        "no learning rate of the grid ends as far"
    )
    assert paired.lag(fast, slow, 0.5) is None, "a learning rate that was not run"


def check_paired() -> None:
    """A ratio is taken seed by seed: what seeds have in common cancels."""
    common = np.array([1.0, 10.0, 100.0])
    for found in (
        paired.ratio(0.5 * common, common),
        paired.compared(paired.untuned(0.5 * common), paired.untuned(common), "ratio"),
    ):
        assert found is not None
        assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def check_choice() -> None:
    """Two learning rates that chance tells apart: the interval knows that others might have been
    chosen. A method with a clear choice has a narrower one."""
    rng = np.random.default_rng(0)
    score = np.array([[1.0] * 12, [2.0] * 12]) * rng.uniform(0.99, 1.01, (2, 12))
    row = rng.standard_normal(12)
    draws = np.array([row, row[::-1]])  # of equal means
    rival = paired.untuned(np.ones(12))
    clear, open_ = (
        paired.compared(Tuned(select, score), rival, "ratio")
        for select in (draws / 100 + [[0.0], [9.0]], draws)
    )
    assert clear is not None
    assert open_ is not None
    assert clear.low > 0.9
    assert clear.high < 1.1
    assert open_.value > 1.2, "the worse one is chosen in some resamples"


def small_networks_of(seeds=(1000, 1001)) -> list[judging.Networks]:
    """Untrained, each seed's own."""
    found = []
    for seed in seeds:
        rng = Generator().manual_seed(seed)
        draw = lambda out, in_, rng=rng: digit_networks.Linear(
            torch.randn(out, in_, generator=rng) / in_**0.5, torch.zeros(out)
        )
        listed = lambda *shape, draw=draw: {
            name: x.tolist() for name, x in draw(*shape)._asdict().items()
        }
        base = [listed(*shape) for shape in flow_matching.SHAPES]
        classifier = [listed(8, 64), listed(digit_targets.LABELS, 8)]
        found.append(judging.Networks(base, classifier))
    return found


def small_problem(seeds=(1000, 1001)) -> judging.Problem:
    return judging.problem(small_networks_of(seeds), "new classes", seeds)


def check_not_finite() -> None:
    problem = small_problem()
    found, real = problem.splits[0].train.clone(), problem.splits[0].test
    assert all(math.isfinite(x) for x in judging.scores(found, real, problem, 0).values())
    found[3, 5] = math.inf
    assert all(math.isnan(x) for x in judging.scores(found, real, problem, 0).values())


def check_own_networks(monkeypatch) -> None:
    """Each seed is trained and judged with its own networks: what a seed gives does not depend on
    the others beside it, nor on how many are at work at once."""
    monkeypatch.setattr(judging, "DRAWN", 8)
    run = lambda *seeds: sweep.run(small_problem(seeds), "OP-DoRA", 2, [-4, -2], Plan(5, 8))
    together, alone = run(1000, 1001), [run(1000), run(1001)]
    monkeypatch.setattr(sweep, "AT_ONCE", 1)
    in_turn = run(1000, 1001)
    for i, row in enumerate(together):
        for name, values in {**row.test, "validation": row.validation}.items():
            of = lambda one, name=name: one.validation if name == "validation" else one.test[name]
            wanted = np.concatenate([of(one[i]) for one in alone])
            # float32 through four layers, 24 evaluations and an MMD in thousandths
            assert values == pytest.approx(wanted, rel=1e-2), name
            assert of(in_turn[i]) == pytest.approx(wanted, rel=1e-2), name
        assert row.alive == pytest.approx(in_turn[i].alive)


def check_noises() -> None:
    validation, test = (judging.noise([1000, 1001], part) for part in ("validation", "test"))
    assert not torch.isin(validation, test).all(-1).any(), (
        "no image is drawn from one noise for both"
    )
    assert not torch.equal(test[0], test[1])


@cache
def small_networks() -> dict[str, Any]:
    """A base and a judge, trained once for all tests."""
    return {"base": digit_networks.base(300, 1000), "judge": digit_networks.judge(1000)}
