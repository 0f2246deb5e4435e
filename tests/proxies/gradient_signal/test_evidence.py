"""What the evidence leaves out; that each check has the value of its own trial is in
tests/test_wiring.py."""

import numpy as np
import pytest
from scipy.special import stdtrit

from loralab.claims import Measured
from proxies.families.gradient_signal.claims.comparisons import Comparison
from proxies.families.gradient_signal.claims.signal import SHARES, STAR
from proxies.families.gradient_signal.evidence import _ratio_of_means, evidence, loss_ratios
from tests.support.worlds import gradient_signal as made_up
from theory.gradient_signal import batch

ADAM, TEXT = ("digits", "adam"), ("docstrings", "adam")
SEEDS = made_up.SEEDS


def measured(id: str, key: str) -> Measured:
    found = evidence(made_up.world())[id][key]
    assert found is not None
    return found


def test_what_was_not_run_has_no_value():
    names = ("tuned", "minilm", "parity", "held out", "defects")
    found = evidence(made_up.world() | {name: [] for name in names})
    missing = {id for id, checks in found.items() if not any(checks.values())}
    trained = {"E9", "E9b", "E9c", "E9d", "E9e", "E9f", "E9g", "E9h"}
    assert missing == {"E2g", "E6", "E6b", "E6c", "E8b"} | trained
    of_text = {(id, key) for id, checks in found.items() for key in checks if "MiniLM" in key}
    assert {(id, key) for id, key in of_text if found[id][key] is None} == of_text


def test_a_rate_on_the_edge_is_no_evidence():
    run = {"inside": [True, False], "test": [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]}
    record = {"task": ADAM, "steps": [10, 40], "result": {"EVA": run, "default": run}}
    ratios = lambda task, steps: loss_ratios(
        [record], Comparison("", "EVA", "default", task, steps)
    )
    assert ratios(ADAM, 10) == [1.0, 1.0, 1.0]
    assert ratios(ADAM, 40) is None, "the best learning rate is an end"
    assert ratios(ADAM, 160) is None, "not run"
    assert ratios(TEXT, 10) is None, "not run"


def test_splits_of_one_data_set_are_no_independent_draws():
    """The intervals of digits have the variance of re-splits; texts and patches are drawn apart."""
    design = lambda id, key: measured(id, key).design
    assert design("E9", "digits adam, 10 steps") == "corrected for re-splits"
    for name in ("photographs", "docstrings", "code"):
        assert design("E9", f"{name} adam, 10 steps") == "Student"
    assert design("E2e", "digits") == "corrected for re-splits"
    # half of an interval over Student's quantile and the standard deviation: (1/J + test/train)^1/2
    parts = lambda values, low, high: (
        ((high - low) / 2 / stdtrit(2, 0.975) / np.std(values, ddof=1)) ** 2 - 1 / 3
    )
    m = measured("E9", "digits adam, 10 steps")
    ratios = [
        made_up.loss("EVA", ADAM, 10, s) / made_up.loss("default", ADAM, 10, s) for s in SEEDS
    ]
    assert parts(np.log(ratios), np.log(m.low), np.log(m.high)) == pytest.approx(240 / 600)
    m = measured("E2e", "digits")
    shares = [made_up.share(1, "EVA uncentred", "token", s) for s in SEEDS]
    assert parts(shares, m.low, m.high) == pytest.approx(600 / 717)
    assert design("E2e", "MiniLM") == "Student"


def test_the_interval_of_a_ratio_of_means():
    """By the jackknife, which agrees with the linearisation to first order."""
    rng = np.random.default_rng(0)
    below = rng.uniform(1, 2, 400)
    above = 0.7 * below + 0.1 * rng.standard_normal(400)
    m = _ratio_of_means(above.tolist(), below.tolist())
    left = [(above.sum() - a) / (below.sum() - b) for a, b in zip(above, below, strict=True)]
    error = np.sqrt(399 * np.var(left))
    assert m.value == pytest.approx(above.sum() / below.sum())
    assert m.high - m.low == pytest.approx(2 * stdtrit(399, 0.975) * error, rel=0.02)


def test_what_the_claims_say_of_theory_is_what_it_gives():
    # the root is sought to 1e-14; its shares change by less than its own change
    assert pytest.approx(batch.censored_threshold(), abs=1e-13) == STAR
    for c, share in SHARES.items():
        assert pytest.approx(batch.censored_share(c), abs=1e-13) == share
