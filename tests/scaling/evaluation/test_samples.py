"""Answers side by side: what is counted, and what people see of it."""

import pytest

from scaling.evaluation.samples import agreement, beside, shown, side_by_side, written

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
    turned = {"wanted": "mean of x", "written": "x of mean", "baseline": ""}
    # the same words, of which one alone is in the same order
    assert agreement([turned])["rougeL"] == pytest.approx(1 / 3)


def test_before_and_after_stand_beside_each_other():
    samples = beside(["old", "older"], ROWS)
    assert samples[1] == {"prompt": "q", "wanted": "Sum of x.", "before": "older", "after": "Of y"}
    assert beside([], ROWS) == [], "the base model was not asked"
    text = "\n\n".join(side_by_side([samples[0] | {"before": "a ~~~~ fence"}]))
    assert "~~~~~text\na ~~~~ fence\n~~~~~" in text
    assert "prompt" not in shown(samples)
    assert shown([samples[0] | {"after": "x" * 100}]).endswith("x" * 100)
    assert shown([samples[0] | {"after": "x" * 200}]).splitlines()[-1] == f"  after:  {'x' * 97}..."


def test_answers_without_a_trivial_guess_are_shown_too():
    """As those of school arithmetic, of which a number is compared."""
    numbered = [{"prompt": "p", "wanted": "#### 1", "written": "#### 2"}, {"loss": 1.0}]
    assert written(numbered) == ["#### 2"]
    [sample] = beside(written(numbered), [numbered[0] | {"written": "#### 1"}, numbered[1]])
    assert (sample["before"], sample["after"]) == ("#### 2", "#### 1")
