"""The program of the learning-rate family: its trials, how evidence comes from them, resuming, and
planted faults."""

from collections.abc import Callable, Generator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loralab.claims import Outcome, judge
from loralab.memo import Memo
from loralab.store import Store
from loralab.workers import Finished, Function, Todo
from paper_figs import lr_stability
from proxies.families.lr_stability import evidence, tables
from proxies.families.lr_stability.claims import CLAIMS
from proxies.families.lr_stability.claims.checks import Slope
from proxies.families.lr_stability.claims.settings import (
    LIMIT_A,
    LIMIT_B,
    LORA_PLUS,
    NAMES,
    NETWORKS,
    PAIRS,
)
from proxies.families.lr_stability.trials import plan, sweep
from proxies.families.lr_stability.trials.initializations import INITIALIZATIONS
from proxies.instruments import slopes
from proxies.lr_stability import PROXY, TIMES, Config
from theory import lr_stability as theory

EPS = np.finfo(float).eps
RATES = np.arange(-12.0, 0.1, 0.5)
SEEDS = [1000, 1001]
WIDTHS = (64, 128, 256)
right_slopes, right_trained = slopes.slopes, sweep._trained
known = cache(theory.exponents)


def stub(width: int, seeds: list[int], shift: float) -> list[float]:
    return [shift + width + seed for seed in seeds]


def backwards(function: Function, todo: Todo) -> Generator[Finished, None, None]:
    """An executor whose trials finish in the opposite order, as on many cores they may."""
    for i, trial in reversed(todo.items()):
        yield i, 0.0, function(**trial)


# --- checks that a wrong trial fails
# ------------------------------------------------------------------------------


def check_threshold() -> None:
    """The threshold lies between the sizes half an octave below and above the learning rate that is
    found."""
    for network in NETWORKS:
        check_threshold_of(network)


def check_threshold_of(network: str) -> None:
    names, sizes = ["init_a", "init_b"], {"steps": 5, "scale": 0.5}
    found = sweep.thresholds(
        64, SEEDS, names, samples=16, rank=2, threshold=2.0, network=network, **sizes
    )
    for i, seed in enumerate(SEEDS):
        for k, name in enumerate(names):
            rates = torch.tensor(2.0 ** (found[i][k] + np.array([-0.5, 0.5])))[None, None]
            size = right_trained(64, [seed], [name], rates, rates, 16, 2, network, **sizes)["Z_B"][
                0, 0, 0
            ]
            assert size[0] < 2 < size[1], (seed, name)


def check_powers() -> None:
    """Learning rates are 0.3 n^c_A for A and 0.3 n^c_B for B; the records are of the first step and
    of the last."""
    pairs = [[-1.0, -0.5], [-0.5, -1.0]]
    (found,) = sweep.powers(64, [1000], ["init_b"], pairs, 3, 16, 2)
    assert np.shape(found["Z_A"]) == (2, 1, 2)
    for p, (c_A, c_B) in enumerate(pairs):
        lr_A, lr_B = (torch.full((1, 1, 1), 0.3 * 64**c, dtype=torch.float64) for c in (c_A, c_B))
        for at, steps in enumerate((1, 3)):
            alone = right_trained(64, [1000], ["init_b"], lr_A, lr_B, 16, 2, steps=steps)
            for quantity in ("Z_A", "Z_B", "delta2"):
                # float32 sums of 64 terms through three steps
                assert found[quantity][at][0][p] == pytest.approx(
                    alone[quantity].item(), rel=1e-4
                ), quantity


def check_first_step() -> None:
    """At that learning rate the first step of SGD makes Z_B 1, as it is proportional to it."""
    for network in NETWORKS:
        (found,) = sweep.first_step(64, [1000], [2, 4], -0.5, 16, network)
        for log2_rate, rank in zip(found, (2, 4), strict=True):
            rate = torch.full((1, 1, 1), 2.0**log2_rate, dtype=torch.float64)
            how = {"steps": 1, "optimizer": "sgd", "scale": rank**-0.5}
            size = right_trained(64, [1000], ["init_a"], rate, rate, 16, rank, network, **how)
            assert size["Z_B"].item() == pytest.approx(1, rel=1e-4)


def check_best(optimum: float = -6.3, curvature: float = 0.4) -> None:
    """The vertex of a parabola, wherever it lies between grid points; smoothing shifts no symmetric
    curve."""
    losses = np.exp(curvature * (RATES - optimum) ** 2 - 5).clip(max=np.exp(slopes.WORST))
    assert slopes.best_rate(RATES.tolist(), losses) == pytest.approx(optimum, abs=1e-9)


def check_slopes() -> None:
    logs = np.array([[1.0, 5.0], [1.5, 4.0], [2.0, 3.0]])
    assert slopes.slopes((64, 128, 256), logs) == pytest.approx([0.5, -1.0], abs=10 * EPS)


def check_predictions() -> None:
    """Sizes that are the calculus' own powers are at distance zero, and none that it calls zero is
    counted."""
    assert max_distance(1.0) <= 1e3 * EPS


def max_distance(shift: float) -> float:
    measured = powers_of_theory(shift)
    return max(m.high for m in evidence.of_grid(measured)["L2"].values() if m)


@cache
def sizes_of_theory(exact: float) -> dict[int, list[dict[str, Any]]]:
    """For two seeds n^(exact times what the calculus says), and zero where it says so, as
    `sweep.powers` gives them."""
    return {
        width: 2
        * [
            {
                quantity: [
                    [
                        [size_of(name, quantity, pair, steps, width, exact) for pair in PAIRS]
                        for name in INITIALIZATIONS
                    ]
                    for steps in (1, 6)
                ]
                for quantity in (*plan.FEATURES, "f")
            }
        ]
        for width in WIDTHS
    }


def powers_of_theory(exact: float = 1.0) -> plan.Powers:
    return plan.fitted(sizes_of_theory(exact), WIDTHS, list(INITIALIZATIONS), PAIRS)


def size_of(
    name: str, quantity: str, pair: tuple[float, float], steps: int, width: int, exact: float
) -> float:
    order = getattr(known(name, steps=steps), quantity)
    exponent = float(order(*map(Fraction, pair)))
    return 0.0 if exponent == -np.inf else width ** (exact * exponent)


# --- the trials and the evidence are right
# ------------------------------------------------------------------------


def test_a_threshold_is_where_the_size_is():
    check_threshold()


def test_a_threshold_that_no_rate_reaches_is_refused():
    with pytest.raises(ValueError, match="do not enclose the threshold"):
        sweep.thresholds(64, SEEDS, ["init_a"], 3, 16, 2, 1.0, 1e29)


def test_rates_are_powers_of_the_width():
    check_powers()


def test_the_first_step_of_sgd_is_linear_in_the_rate():
    check_first_step()


def test_losses_are_relative_and_none_where_a_run_diverged():
    (found,) = sweep.losses(64, [1000], ["init_a"], [-40.0, -6.0, 60.0], "mup", 5, 16, 2)
    still, good, diverged = found[0]
    assert still == pytest.approx(1, rel=1e-5)
    assert good is not None
    assert 0 < good < 0.99
    assert diverged is None


@given(st.floats(-9.4, -3.1), st.floats(0.05, 0.5))
def test_best_rate_of_a_parabola(optimum, curvature):
    check_best(optimum, curvature)


def test_best_rate_is_refused_at_an_edge():
    for losses in (np.exp(RATES), np.exp(-RATES), np.full(len(RATES), np.nan)):
        with pytest.raises(ValueError, match="at the edge"):
            slopes.best_rate(RATES.tolist(), losses)


def test_what_diverged_is_never_the_best():
    losses = np.where(RATES > -4, np.nan, 0.1 * (RATES + 6) ** 2 + 0.01)
    assert slopes.best_rate(RATES.tolist(), losses) == pytest.approx(-6, abs=0.5)


def test_regret_is_against_the_last_rate_and_not_the_least():
    losses = np.array([[np.e, np.nan, np.e**-2], [1.0, 1.0, np.e]])
    assert slopes.regrets(losses) == pytest.approx(np.array([[1.0, slopes.WORST, -3.0]]))


def test_the_first_step_follows_the_square_of_the_scale():
    """rsLoRA's rule for other scales is this identity and no measurement: B alone moves, by s times
    the gradient, and s B A x has another s."""
    found = {
        power: np.array(sweep.first_step(64, SEEDS, [2, 8], power, 16))
        for power in (0.0, -0.5, -1.0)
    }
    for power in (-0.5, -1.0):
        # float32 sums of 64 terms
        assert found[power] - found[0.0] == pytest.approx(
            np.broadcast_to(-2 * power * np.log2([2, 8]), (2, 2)), abs=1e-4
        )


def test_what_the_calculus_calls_zero_is_zero():
    """Of every initialization at two pairs of learning rates, after the first step and the last."""
    names, pairs = list(INITIALIZATIONS), [LIMIT_A, LORA_PLUS]
    (found,) = sweep.powers(32, [100], names, [list(pair) for pair in pairs], 6, 16, 2)
    zeros = 0
    for at, steps in enumerate((1, 6)):
        for k, name in enumerate(names):
            for quantity, order in known(name, steps=steps)._asdict().items():
                for p, pair in enumerate(pairs):
                    zero = order(*map(Fraction, pair)) == -np.inf
                    assert (found[quantity][at][k][p] == 0) == zero, (name, steps, quantity)
                    zeros += zero
    assert zeros


def test_grids_are_shifted_evenly_and_by_seed_and_width():
    shifts = np.array([[sweep.grid_shift(seed, width) for width in WIDTHS] for seed in range(200)])
    half = sweep.GRID_STEP / 2
    assert (np.abs(shifts) <= half).all()
    assert len(np.unique(shifts)) == shifts.size
    # uniform: variance step^2 / 12, so that the mean of 600 has this standard error
    assert abs(shifts.mean()) <= 4 * sweep.GRID_STEP / 12**0.5 / shifts.size**0.5
    assert shifts.std() == pytest.approx(sweep.GRID_STEP / 12**0.5, rel=0.1)


def test_a_shifted_grid_is_trained_at_its_own_learning_rates():
    arguments = {"readout": "mup", "steps": 3, "samples": 16, "rank": 2}
    moved = sweep.losses(64, SEEDS, ["init_a"], [-6.0, -5.0], **arguments, shifted=True)
    for seed, found in zip(SEEDS, moved, strict=True):
        rates = [rate + sweep.grid_shift(seed, 64) for rate in (-6.0, -5.0)]
        (alone,) = sweep.losses(64, [seed], ["init_a"], rates, **arguments)
        # float32 through three steps, in other chunks
        assert found[0] == pytest.approx(alone[0], rel=1e-4)


def test_slopes_are_those_of_lines():
    check_slopes()


def test_evidence_of_the_calculus_own_powers_is_exact():
    check_predictions()
    for case in (
        Slope("Z_B", "init_b", LIMIT_A),
        Slope("delta2", "init_b", LIMIT_B),
        Slope("Z_A", "init_a", LORA_PLUS),
    ):
        value = float(
            getattr(theory.exponents(case.name), case.quantity)(*map(Fraction, case.pair))
        )
        assert evidence.slope(powers_of_theory(), case).value == pytest.approx(value, abs=1e-12)


def test_every_claim_holds_on_what_its_theory_says_and_fails_on_half_of_it():
    """The deliberate failure among them: Init[B] above its limit must grow."""
    by_id = {claim.id: claim for claim in CLAIMS}
    right, wrong = (evidence.of_limits(powers_of_theory(exact)) for exact in (1.0, 0.5))
    for id in ("L2b", "L4", "L5", "L6"):
        outcomes = [
            {judge(check.criterion, m) for check in by_id[id].checks if (m := found[id][check.key])}
            for found in (right, wrong)
        ]
        assert outcomes[0] == {Outcome.SUPPORTED}, id
        assert Outcome.CONTRADICTED in outcomes[1], id


def test_carried_rates_follow_their_exponent():
    best = plan.Found(
        (256, 512, 1024, 8192),
        np.array([-4.0, -4.5, -5.0, -6.5])[:, None, None] * np.ones((4, 2, 2)),
    )
    taken = plan.taken_on(best, 8192)
    assert taken[:, 0, 0] == pytest.approx([-6.5, -4.5, -8.5, -6.5])
    carried = plan.Carried(taken, np.exp(np.abs(taken + 6.5)))
    found = {key: m.value for key, m in evidence.of_transfer(carried)["L11"].items() if m}
    for name in NAMES.values():
        for right in ("octaves", "regret"):
            assert found[f"{name}, {right}"] == pytest.approx(0, abs=1e-12)
        for wrong in (0, -1):
            assert found[f"{name}, regret by exponent {wrong}"] == pytest.approx(2)
    assert len(evidence.transfer_rows(carried)) == 2 * 3


def test_seeds_are_dealt_out_whole_and_in_order(tmp_path):
    memo = Memo(Store(tmp_path / "s.sqlite"), "x", "code", compute=backwards)
    seeds = list(range(7))
    wanted = {width: {"width": width, "shift": 0.5} for width in (256, 4096, 16384)}
    found = plan.for_seeds(memo, stub, wanted, seeds)
    assert found == {width: [0.5 + width + seed for seed in seeds] for width in wanted}


def test_every_configuration_measures_what_it_declares():
    ids = [claim.id for claim in PROXY.claims]
    assert len(set(ids)) == len(ids)
    assert {id: set(checks) for id, checks in evidence.joined().items()} == {
        claim.id: set(claim.keys) for claim in CLAIMS
    }


def test_exploration_and_the_record_use_other_seeds():
    record, quick = Config(), PROXY.quick
    assert all(min(record.seeds_of(name)) >= 10_000 for name in TIMES)
    assert all(max(quick.seeds_of(name)) < 1000 for name in TIMES)
    assert PROXY.full.block == record.block


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--block", "-1"], "--block must be at least 0, got -1"),
    ],
)
def test_an_impossible_value_ends_with_code_2_and_one_sentence(capsys, flags, words):
    with pytest.raises(SystemExit) as ended:
        PROXY.main(flags)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"error: {words}\n")


@pytest.fixture
def small(monkeypatch):
    """The family without its sweeps on narrow networks, in this process."""
    monkeypatch.setenv("LORALAB_JOBS", "1")
    monkeypatch.setattr(plan, "POWER_WIDTHS", (32, 64))
    monkeypatch.setattr(plan, "GRID", ("init_a", "init_b", "eva"))
    return Config(seeds=1, block=100, sweeps=False, transformer=False)


def test_the_family_runs_is_kept_and_drawn(small, tmp_path):
    store = Store(tmp_path / "s.sqlite")
    run = PROXY.run(small, store)
    measured = run.result["measured"]
    assert {id for id, checks in measured.items() if None not in checks.values()} == {
        "L2",
        "L2b",
        "L4",
        "L5",
        "L6",
    }
    assert [check is None for check in measured["L7"].values()] == [True, True, True, False, False]
    assert PROXY.run(small, store).finished == run.finished, "a finished run is not repeated"
    assert set(lr_stability.figures(run.result["data"])) == {"plane"}


def test_figures_of_sweeps():
    line = {
        "widths": [256, 512],
        "log2 learning rate": [-4.0, -5.0],
        "from": [-4.1, -5.2],
        "to": [-3.9, -4.8],
        "predicted": -1.0,
    }
    rows = [
        {
            "initialization": name,
            "exponent": c,
            "regret": 1 + c,
            "low": c,
            "high": 2 + c,
        }
        for name in NAMES.values()
        for c in plan.CARRIED
    ]
    lines = [
        {**line, "level": level, "initialization": "init_a"}
        for level in ("feature", "mup", "standard", "residual")
    ]
    grid = tables.of_grid(powers_of_theory())[0]
    drawn = lr_stability.figures({**grid, "lines": lines, "transfer": rows})
    assert set(drawn) == {"plane", "rates", "transfer"}
    assert len(grid["plane"]) == 2 * 6 * 16


def test_regions_of_the_figure_are_those_of_the_theory():
    """Init[A]: c_B <= 0 and c_A + c_B <= -1; Init[B]: c_A <= -1 and the same; within the box."""
    regions = {name: tables._region(name) for name in NAMES}
    A, B = ({tuple(corner) for corner in regions[name]["polygon"]} for name in NAMES)
    low, high = tables.BOX
    assert {(low, low), (low, 0), (-1, 0), (high, -1 - high), (high, low)} == A
    assert {(low, low), (low, high), (-1 - high, high), (-1, 0), (-1, low)} == B


def test_a_finished_cell_is_not_computed_again(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    trial = {
        "width": 64,
        "names": ["init_a"],
        "steps": 3,
        "samples": 16,
        "rank": 2,
        "scale": 1.0,
        "threshold": 1.0,
    }
    first = plan.for_seeds(Memo(store, "x", "code"), sweep.thresholds, {64: trial}, SEEDS)

    def refused(**arguments: Any) -> Any:
        raise AssertionError(f"computed again: {arguments}")

    refused.__name__ = "thresholds"
    assert plan.for_seeds(Memo(store, "x", "code"), refused, {64: trial}, SEEDS) == first


# --- planted faults
# ----------------------------------------------------------------------------------------------


def natural_logarithm(sizes: Any, logs: Any) -> Any:
    return right_slopes(np.exp(np.log2(sizes)), logs)


def swapped(
    width: Any, seeds: Any, names: Any, lr_A: Any, lr_B: Any, *rest: Any, **options: Any
) -> Any:
    return right_trained(width, seeds, names, lr_B, lr_A, *rest, **options)


def scale_of_one(*arguments: Any, **options: Any) -> Any:
    return right_trained(*arguments, **{**options, "scale": 1.0})


FAULTS: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "slopes in the natural logarithm": (plan, "slopes", natural_logarithm, check_predictions),
    "slopes of the wrong logarithm": (slopes, "slopes", natural_logarithm, check_slopes),
    "learning rates of the factors swapped": (sweep, "_trained", swapped, check_powers),
    "a learning rate that is no power": (sweep, "RATE", 3.0, check_powers),
    "the scale forgotten": (sweep, "_trained", scale_of_one, check_first_step),
    "a lopsided smoothing": (
        slopes,
        "WEIGHTS",
        np.array([0.0, 0, 0, 0, 0, 1, 1, 1, 1]) / 4,
        check_best,
    ),
    "a threshold sought between too few learning rates": (sweep, "ROUNDS", 0, check_threshold),
    "quarters that are not": (sweep, "QUARTERS", np.array([0.1, 0.2, 0.3]), check_threshold),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, caught):
    caught(*FAULTS[fault])
