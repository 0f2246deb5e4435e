"""The metrics of classes against scikit-learn's."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from scaling.evaluation.metrics import of_classes

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
