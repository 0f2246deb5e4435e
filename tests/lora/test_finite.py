"""The quick test for NaN and infinity says what counting says."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lora.finite import bad_entries

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
ODD = [float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(st.lists(st.tuples(st.integers(0, 34), st.sampled_from(ODD)), max_size=4), st.booleans())
def test_it_is_the_count(dtype, odd, large):
    """Also where the sum overflows, or an infinity meets its opposite."""
    values = torch.full((5, 7), torch.finfo(dtype).max if large else 1.0, dtype=dtype)
    for place, value in odd:
        values.view(-1)[place] = value
    assert bad_entries(values) == sum(not value.isfinite() for value in values.view(-1))


def test_whole_numbers_are_finite():
    assert bad_entries(torch.tensor([2**62, 2**62])) == 0
    assert bad_entries(torch.tensor([True])) == 0
