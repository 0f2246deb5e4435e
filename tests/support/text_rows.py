"""Rows of made-up text."""

import json

WORDS = ("what", "is", "one", "two", "plus", "####", "1", "2", "3", "\n")


def rows(count: int) -> str:
    pairs = [("what is one plus one", "#### 2"), ("what is one plus two", "#### 3")]
    return "".join(
        json.dumps({"prompt": p, "answer": a}) + "\n"
        for p, a in (pairs[i % 2] for i in range(count))
    )
