"""The metrics of classes against scikit-learn's."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from scaling.evaluation.metrics import of_classes, worse

PAIRS = st.lists(st.tuples(*[st.sampled_from("abcd")] * 2), min_size=1, max_size=30)


@given(PAIRS)
@example([("a", "a"), ("a", "a")])
@example([("a", "b"), ("b", "b")])
@example([("a", "c"), ("b", "c")])
def test_they_are_those_of_scikit_learn(pairs):
    truth, guess = map(list, zip(*pairs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a single class
        expected = {
            "accuracy": sklearn.accuracy_score(truth, guess),
            "f1": sklearn.f1_score(truth, guess, average="macro", zero_division=0),  # type: ignore[arg-type]
            "matthews": sklearn.matthews_corrcoef(truth, guess),
        }
    found = of_classes(truth, guess)
    assert list(found) == list(expected)
    # sums of at most 4 quotients of exact integers, and a root: a few roundings each
    assert found == pytest.approx(expected, rel=16 * np.finfo(float).eps, abs=1e-15)


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ({"perplexity": 54.6, "loss": 4.0}, {"perplexity": 1000.0, "loss": 6.9}, "perplexity 1000"),
        ({"accuracy": 0.5, "f1": 0.4}, {"accuracy": 0.25, "f1": 0.5}, "accuracy 0.25"),
        # an exact match that none had before, and a loss that says more
        ({"exact_match": 0.0, "loss": 1.0}, {"exact_match": 0.0, "loss": 2.0}, "loss 2"),
        ({"accuracy": 0.5, "f1": 0.4}, {"accuracy": 0.5, "f1": 0.3}, None),
        ({"mean_squared_error": 2.0}, {"mean_squared_error": 1.0}, None),
        ({}, {"accuracy": 0.5}, None),  # nothing was measured before
    ],
)
def test_a_model_that_training_has_made_worse_is_named_with_a_lower_learning_rate(
    before, after, name
):
    line = worse(before, after)
    assert (line is None) == (name is None)
    assert line is None or line.startswith(f"worse than the base model: {name}, and before")
    assert line is None or line.endswith("; try a lower --lr")
