"""Answers side by side: what is counted, and what people see of it."""

import pytest

from scaling.evaluation.samples import agreement, beside, shown, side_by_side

ROWS = [
    {
        "prompt": "p",
        "wanted": "Return the mean.",
        "written": "Return the mean. ",
        "baseline": "Mean.",
    },
    {"prompt": "q", "wanted": "Sum of x.", "written": "Of y", "baseline": "Sum of x."},
    {"loss": 1.0},
]


def test_agreement_is_the_mean_over_what_was_written():
    found = agreement(ROWS)
    assert found["exact_match"] == found["baseline_exact_match"] == 0.5
    # "of" of two and three words: F = 2 (1/2) (1/3) / (1/2 + 1/3); "mean" of one and three
    assert found["rougeL"] == pytest.approx((1 + 0.4) / 2)
    assert found["baseline_rougeL"] == pytest.approx((0.5 + 1) / 2)
    assert agreement(ROWS[2:]) == {}


def test_before_and_after_stand_beside_each_other():
    samples = beside(["old", "older"], ROWS)
    assert samples[1] == {"prompt": "q", "wanted": "Sum of x.", "before": "older", "after": "Of y"}
    assert beside([], ROWS) == [], "the base model was not asked"
    text = "\n\n".join(side_by_side([samples[0] | {"before": "a ~~~~ fence"}]))
    assert "~~~~~text\na ~~~~ fence\n~~~~~" in text
    assert shown([samples[0] | {"after": "x" * 200}]).splitlines()[-1] == f"  after:  {'x' * 97}..."
