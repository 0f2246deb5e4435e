"""ROUGE against values by hand and against a definition that needs no table."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.evaluation.rouge import ROUGE, rouge


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        # 3 of 3 words and of 4, 1 of 2 pairs and of 3, 3 in order
        ("set the font size", "set font size", (6 / 7, 2 / 5, 6 / 7)),
        # 4 of 4, 2 of 3 pairs, 3 in order
        ("the cat the dog", "dog the cat the", (1.0, 2 / 3, 3 / 4)),
        # a word counts as often as both have it: 1 of 3 and of 1
        ("a a a", "a", (1 / 2, 0.0, 1 / 2)),
        # case, signs and letters beyond a-z part words: 3.5, x_1 and naïve are two words each
        ("3.5 x_1 Naïve", "NA ve, x/1 (3 5)", (1.0, 3 / 5, 1 / 3)),
        ("plotting plots", "plot plots", (1 / 2, 0.0, 1 / 2)),  # no stemming
        ("one", "two", (0.0, 0.0, 0.0)),
        ("", "two", (0.0, 0.0, 0.0)),
        ("!", "", (0.0, 0.0, 0.0)),
    ],
)
def test_rouge_is_as_by_hand(target, text, expected):
    assert rouge(target, text) == dict(zip(ROUGE, map(pytest.approx, expected), strict=True))


words = st.lists(st.sampled_from("abc"), max_size=6)


@given(words, words)
def test_the_longest_common_subsequence_is_the_longest_of_all(left, right):
    def parts(some):
        return {part for size in range(len(some) + 1) for part in combinations(some, size)}

    longest = max(map(len, parts(left) & parts(right)))
    expected = 2 * longest / (len(left) + len(right)) if longest else 0.0
    assert rouge(" ".join(left), " ".join(right))["rougeL"] == pytest.approx(expected)
