"""None in JSON for what is no number there, and back."""

import json
import math

import numpy as np

from loralab.numbers import listed, numbers


def test_what_is_not_finite_is_none_however_deep():
    value = {"a": (1.0, math.nan), "b": [np.array([[math.inf, 2.0]])], "c": "text", "d": True}
    found = listed(value)
    assert found == {"a": [1.0, None], "b": [[[None, 2.0]]], "c": "text", "d": True}
    json.dumps(found, allow_nan=False)
    assert listed(np.float64("nan")) is None
    assert type(listed(np.int64(3))) is int


def test_numbers_is_its_inverse_but_for_infinity():
    array = np.array([[1.0, math.nan], [3.0, 4.0]])
    assert np.array_equal(numbers(listed(array)), array, equal_nan=True)
    assert np.isnan(numbers(listed(np.array([math.inf])))).all()
