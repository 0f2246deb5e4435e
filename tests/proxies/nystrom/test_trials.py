"""The trials of the Nyström family, each on one problem."""

import sys

import numpy as np
import pytest

from proxies.families.nystrom.claims.links import ROUNDING
from proxies.families.nystrom.trials import adaptation, laws


def test_start_that_is_not_a_sketch_of_the_target_is_caught(monkeypatch):
    """The proxy's own measurement, given a sketch of the transposed target, must leave the accepted
    units."""
    problem = {"rows": 20, "columns": 20, "rank": 3, "condition": 100.0, "seed": 1000}
    assert laws.scalar_law(**problem)["deviation"] < ROUNDING.high
    correct = laws.initial
    monkeypatch.setattr(laws, "initial", lambda A, *rest: correct(np.ascontiguousarray(A.T), *rest))
    assert laws.scalar_law(**problem)["deviation"] > ROUNDING.high


def test_missing_peft_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"pip install 'loralab\[llm\]', or pass --no-peft"):
        adaptation.released_implementations([0])


@pytest.mark.parametrize("alignment", [0.0, 0.9])
def test_only_a_sketch_of_the_gradient_saves_steps(alignment):
    found = adaptation.transfer(alignment, 1000)
    steps = {name: run["steps"] for name, run in found.items()}
    assert steps["weight"] == pytest.approx(steps["random"], rel=0.1)
    assert steps["gradient"] < steps["random"] / 4


def test_released_code_departs_from_what_is_published():
    found = adaptation.released_implementations([1000])
    assert found["lora_ga"][0] == pytest.approx(1, abs=1e-3), "|B| grows as the loss does"
    assert found["olora"][0] == pytest.approx(1, abs=1e-5), "a reflection"
    assert found["nora"][0] == 0, "the layer is as it was"
