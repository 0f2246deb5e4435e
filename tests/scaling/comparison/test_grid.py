"""The grid of a sweep: its methods, its learning rates, and which trials are run."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from scaling.comparison import cost
from scaling.comparison.axes import Grid
from scaling.comparison.cost import announced
from scaling.comparison.driver import swept
from scaling.comparison.grid import Method, methods, next_rate
from scaling.comparison.trials import arguments
from scaling.core.config import Config
from theory.lr_stability import lr_rule

CONFIG = Config.of(precision="float32", steps=20)
DEFAULTS = Config().flat() | vars(Grid())


def labels(**given) -> list[str]:
    return list(methods(CONFIG, Grid(**given), {}))


def test_methods_are_schemes_by_variants_by_ranks():
    assert labels(schemes=("init_a", "eva")) == ["init_a", "eva"]
    assert labels(schemes=("eva",), variants=("dora",)) == ["eva, dora"]
    found = methods(CONFIG, Grid(("init_a", "eva"), ("plain", "dora"), (4, 8)), {})
    assert len(found) == 8
    config = found["eva, dora, rank 4"].config
    assert (config.adapter.scheme, config.adapter.variant, config.adapter.rank) == (
        "eva",
        "dora",
        4,
    )
    assert config.training.steps == 20


def test_an_option_is_for_the_initializations_that_have_it():
    config = CONFIG.replace(scheme="eva", scheme_options={"center": False, "rho": 2.0})
    found = methods(config, Grid(("init_a", "eva", "pissa")), {})
    options = {label: method.config.adapter.scheme_options for label, method in found.items()}
    assert options == {"init_a": {}, "eva": {"center": False, "rho": 2.0}, "pissa": {}}
    with pytest.raises(ValueError, match="method 'init_a': init_a has no option 'center'"):
        methods(config, Grid(("init_a", "pissa")), {})


def test_a_named_method_is_the_config_but_for_what_it_says():
    named = {
        "B alone": {"train_a": False, "rank": 16},
        "some layers": {"target_modules": ["query", "key"]},
    }
    found = methods(CONFIG, Grid(()), named)
    assert found["B alone"].config == CONFIG.replace(train_a=False, rank=16)
    assert found["some layers"].config.adapter.target_modules == ("query", "key")


def test_a_configuration_of_peft_is_a_method(tmp_path):
    (tmp_path / "vera.json").write_text('{"peft_type": "VERA", "r": 8}')
    grid = Grid(("init_a", f"peft:{tmp_path / 'vera.json'}"), ranks=(4, 8))
    found = methods(CONFIG.replace(dropout=0.1, ratio=4.0), grid, {})
    assert list(found) == ["init_a, rank 4", "init_a, rank 8", "vera"]
    assert found["vera"].config == CONFIG.replace(peft=str(tmp_path / "vera.json"))
    before = arguments(found["vera"].at(1e-3, 0))
    (tmp_path / "vera.json").write_text('{"peft_type": "VERA", "r": 16}')
    assert arguments(found["vera"].at(1e-3, 0)) != before, "another content is another trial"


WRONG = {
    "an unknown scheme": (
        {"schemes": ("evaa",)},
        {},
        "unknown scheme 'evaa'; did you mean 'eva'",
    ),
    "no method": ({"schemes": ()}, {}, "the grid is empty: name schemes or methods"),
    "an unknown reference": (
        {"reference": "olora"},
        {},
        "the reference 'olora' is not in the grid, which has init_a",
    ),
    "a label twice": (
        {"schemes": ("eva",)},
        {"eva": {"rank": 4}},
        "two methods of the grid are called 'eva'",
    ),
    "no such setting": (
        {},
        {"mine": {"rnak": 4}},
        "method 'mine': there is no setting 'rnak'; did you mean 'rank'",
    ),
    "what the grid has": (
        {},
        {"mine": {"lr": 0.1}},
        "method 'mine': lr belongs to the grid, not to a method",
    ),
    "an impossible value": (
        {},
        {"mine": {"rank": 0}},
        "method 'mine': rank must be a positive integer, got 0",
    ),
    "a negative rate": (
        {"rates": (-1.0,)},
        {},
        "method 'init_a': lr must be positive and finite, got -1.0",
    ),
    "no file of peft": (
        {"schemes": ("peft:none.json",)},
        {},
        "method 'none': peft: none.json cannot be read",
    ),
    "a launch too late": ({"variants": ("dash",)}, {}, "which must be less than steps = 20"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_method_that_cannot_run_is_refused(case):
    grid, named, message = WRONG[case]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        methods(CONFIG, Grid(**grid), named)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["variants", "ranks", "rates", "seeds"])
def test_an_empty_axis_and_a_value_twice_are_refused(name):
    value = {"variants": "plain", "ranks": 4, "rates": 1e-3, "seeds": 0}[name]
    with pytest.raises(ValueError, match=f"the grid is empty: {name} has no value"):
        replace(Grid(), **{name: ()})
    with pytest.raises(ValueError, match=f"{name} holds a value twice"):
        replace(Grid(), **{name: (value, value)})


@pytest.mark.parametrize(("name", "value"), [("widen", -1), ("confirm", -1), ("margin", 0.0)])
def test_numbers_of_the_grid_are_checked(name, value):
    with pytest.raises(ValueError, match=name):
        Grid(**{name: value})


def test_five_rates_half_a_decade_apart_centred_by_theory(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 1536}))
    config = CONFIG.replace(model=str(tmp_path), lr=2e-3)
    found = methods(config, Grid(("init_a", "init_b", "pissa"), ranks=(8, 32)), {})
    for label, scheme, rank in (("init_a, rank 8", "init_a", 8), ("init_b, rank 32", "init_b", 32)):
        factor, _ = lr_rule(scheme, "adam", "alpha/r", 384, 1536, 8, rank)
        rates = np.array(found[label].rates)
        # Rates are rounded to two digits, which is by 5 % at most.
        assert rates == pytest.approx(2e-3 * factor * 10.0 ** np.arange(-1, 1.5, 0.5), rel=0.05)
    assert found["init_a, rank 8"].rates[2] == 1e-3, "by the square root of the width"
    assert found["init_b, rank 8"].rates[2] == 5e-4, "by the width"
    assert found["pissa, rank 32"].rates == found["init_a, rank 32"].rates, (
        "where theory has no power of the rank"
    )
    assert (
        methods(CONFIG.replace(model=None, lr=2e-3), Grid(("init_b",)), {})["init_b"].rates[2]
        == 2e-3
    )


def test_settings_survive_json():
    config = CONFIG.replace(
        target_modules=("query",),
        rank_pattern={"key": 2},
        scheme="eva",
        scheme_options={"rho": 2.0},
    )
    assert Config.of(**config.as_json()) == config


class Fake:
    """Runs whose validation loss is a parabola in log10 of the rate, with its minimum where `best`
    says for a rank."""

    def __init__(self, best: dict[int, float], diverge_above: float = np.inf) -> None:
        self.best, self.diverge_above, self.trials = best, diverge_above, []

    def __call__(self, configs):
        self.trials += [
            (config.adapter.rank, config.training.lr, config.seed) for config in configs
        ]
        return [self.outcome(config) for config in configs]

    def outcome(self, config):
        rank, lr = config.adapter.rank, config.training.lr
        if lr > self.diverge_above:
            return {"diverged": "the loss is nan"}
        loss = 1 + (np.log10(lr) - np.log10(self.best[rank])) ** 2
        return {
            "validation": [[1, loss + 1], [2, loss]],
            "scores": [0.0, 1.0],
            "test_data": f"of {config.seed}",
        }


RATES = (1e-3, 3.2e-3, 1e-2)


def two(rates: tuple[float, ...] = RATES) -> dict[str, Method]:
    return {
        f"rank {rank}": Method(f"rank {rank}", CONFIG.replace(rank=rank), rates) for rank in (4, 8)
    }


def test_every_cell_is_run_once_and_none_is_added_when_the_best_lies_inside():
    fake = Fake({4: 3e-3, 8: 3e-3})
    found = swept(two(), Grid(seeds=(5, 6)), fake)
    assert sorted(fake.trials) == sorted(
        (rank, rate, seed) for rank in (4, 8) for rate in RATES for seed in (5, 6)
    )
    assert {label: sorted(rates) for label, rates in found.items()} == {
        "rank 4": [*RATES],
        "rank 8": [*RATES],
    }


def test_rates_are_added_until_the_best_lies_inside_or_no_more_may_be():
    fake = Fake({4: 3e-2, 8: 1e-4})
    found = swept(two(), Grid(seeds=(0, 1), widen=3), fake)
    assert sorted(found["rank 4"]) == [*RATES, 3.2e-2, 1e-1]
    assert sorted(found["rank 8"]) == [3.2e-5, 1e-4, 3.2e-4, *RATES]
    assert len(fake.trials) == len(set(fake.trials)) == (5 + 6) * 2
    assert sorted(swept(two(), Grid(widen=1), Fake({4: 3e-2, 8: 3e-3}))["rank 4"]) == [
        *RATES,
        3.2e-2,
    ]
    assert sorted(swept(two(), Grid(widen=0), Fake({4: 3e-2, 8: 3e-3}))["rank 4"]) == [*RATES]


def test_a_rate_that_is_added_is_said_with_its_reason(capsys):
    swept(two(), Grid(seeds=(0,), widen=1), Fake({4: 3e-2, 8: 1e-4}))
    assert capsys.readouterr().err.splitlines() == [
        "rank 4: 0.032 added, as the best, 0.01, is the highest one tried",
        "rank 8: 0.00032 added, as the best, 0.001, is the lowest one tried",
    ]
    swept(two(), Grid(seeds=(0,), widen=1), Fake({4: 3e-3, 8: 3e-3}, diverge_above=0))
    assert "0.00032 added, as a run diverged at each one tried" in capsys.readouterr().err
    swept(two((1e-3,)), Grid(seeds=(0,), widen=1), Fake({4: 1e-3, 8: 1e-3}))
    assert "0.00032 added, as the best, 0.001, is the only one tried" in capsys.readouterr().err


def test_a_sweep_says_beforehand_what_it_will_run():
    assert announced(two(), Grid(), 2) == (
        "18 trials: 2 methods x 3 learning rates x 3 seeds, on 2 workers; learning rates 0.001 "
        "0.0032 0.01"
    )
    other = two() | {"one": Method("one", CONFIG, (0.5,))}
    assert announced(other, Grid(seeds=(0,), confirm=4), 16) == (
        "7 trials: 3 methods x 1 or 3 learning rates x 1 seed, then 12 with unseen seeds, on 7 "
        "workers; learning rates 0.001 0.0032 0.01 (rank 4, rank 8), 0.5 (one)"
    )
    assert "on a Ray cluster;" in announced(two(), Grid(), None)


def test_the_time_of_a_sweep_is_that_of_its_trials_on_a_core_each(monkeypatch):
    """A second in this process, which has two threads, is two in a worker."""
    monkeypatch.setenv("LORALAB_JOBS", "4")
    monkeypatch.setattr(cost.torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(cost.torch.cuda, "is_available", lambda: False)
    assert cost.predicted(30, 60) == "30 trials, about 15 min of training on 4 workers, a core each"
    assert cost.predicted(2, 60) == "2 trials, about 2.0 min of training on 2 workers, a core each"
    monkeypatch.setattr(cost.torch.cuda, "is_available", lambda: True)
    assert cost.predicted(30, 60) == "30 trials, about 30 min of training on 1 worker"


def test_where_every_rate_diverges_a_lower_one_is_tried():
    found = swept(two(), Grid(widen=2), Fake({4: 3e-4, 8: 3e-4}, diverge_above=5e-4))
    assert sorted(found["rank 4"]) == [1e-4, 3.2e-4, *RATES]
    assert found["rank 4"][1e-3][0] == {"diverged": "the loss is nan", "same_test": False}


def test_fresh_seeds_confirm_the_best_rate_alone():
    found = swept(two(), Grid(seeds=(0, 2), confirm=2), Fake({4: 3e-3, 8: 1.1e-3}))
    assert sorted(found["rank 4"][3.2e-3]) == [0, 2, 3, 4]
    assert sorted(found["rank 4"][1e-3]) == [0, 2]
    assert [rate for rate, runs in found["rank 8"].items() if len(runs) == 4] == [1e-3]


def test_whether_the_seeds_share_their_test_is_seen_from_the_data():
    fake = Fake({4: 3e-3, 8: 3e-3})
    assert not swept(two(), Grid(), fake)["rank 4"][1e-3][0]["same_test"]
    fake.outcome = lambda config: Fake.outcome(fake, config) | {"test_data": "one"}
    assert swept(two(), Grid(), fake)["rank 4"][1e-3][0]["same_test"]


def test_the_next_rate_is_half_a_decade_beyond_the_edge():
    assert next_rate(RATES, 1e-3) == 3.2e-4
    assert next_rate(RATES, 1e-2) == 3.2e-2
