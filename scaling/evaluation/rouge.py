"""ROUGE of a text against its target (Lin, 2004): F measures of what the two share.

Words are runs of the letters a-z and of digits, in lower case and without stemming, as in the
package rouge-score 0.1.2, with which every number agrees to the last bit.
"""

import re
from collections import Counter
from itertools import pairwise

ROUGE = ("rouge1", "rouge2", "rougeL")


def rouge(target: str, text: str) -> dict[str, float]:
    """The F measures, from 0 to 1, of words (rouge1), of pairs of neighbouring words (rouge2) and
    of the longest common subsequence of words (rougeL)."""
    wanted, written = (re.findall("[a-z0-9]+", some.lower()) for some in (target, text))
    words = (Counter(wanted) & Counter(written)).total()
    pairs = (Counter(pairwise(wanted)) & Counter(pairwise(written))).total()
    sizes = len(wanted), len(written)
    return {
        "rouge1": _f_measure(words, *sizes),
        "rouge2": _f_measure(pairs, sizes[0] - 1, sizes[1] - 1),
        "rougeL": _f_measure(_common(wanted, written), *sizes),
    }


def _f_measure(shared: int, wanted: int, written: int) -> float:
    if not shared:
        return 0.0
    precision, recall = shared / written, shared / wanted
    return 2 * precision * recall / (precision + recall)


def _common(left: list[str], right: list[str]) -> int:
    """The length of the longest common subsequence, row by row of the usual table."""
    row = [0] * (len(right) + 1)
    for word in left:
        above, row = row, [0]
        for j, other in enumerate(right):
            row.append(above[j] + 1 if word == other else max(above[j + 1], row[j]))
    return row[-1]
