"""Plain sentences with symbols in them as HTML: `B* = D S Q^T` gets a raised T, `lambda_i` a Greek
letter with a lowered i."""

import re
from collections.abc import Callable

from markupsafe import Markup, escape

LETTERS = (
    ("alpha", "α"), ("beta", "β"), ("gamma", "γ"), ("delta", "δ"), ("eps", "ε"), ("eta", "η"),
    ("theta", "θ"), ("kappa", "κ"), ("lambda", "λ"), ("mu", "μ"), ("nu", "ν"), ("xi", "ξ"),
    ("rho", "ρ"), ("sigma", "σ"), ("tau", "τ"), ("phi", "φ"), ("omega", "ω"), ("Delta", "Δ"),
    ("Sigma", "Σ"), ("Omega", "Ω"),
)  # fmt: skip
NAMES = dict(LETTERS)


def _lowered(found: re.Match[str]) -> str:
    return f"{found[1]}<sub>{found[2].strip('(){}')}</sub>"


def _raised(found: re.Match[str]) -> str:
    return f"{found[1]}<sup>{found[2].strip('(){}')}</sup>"


# Each pattern with its replacement, in this order. A name of Python such as init_a is left alone:
# only single letters have a lowered index.
RULES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (rf"(?<![A-Za-z])({'|'.join(NAMES)})(?![A-Za-z])", lambda found: NAMES[found[1]]),
    (r"&lt;=", "≤"),
    (r"&gt;=", "≥"),
    (r"-&gt;", "→"),
    (r"\+-", "±"),
    (r"(?<=\d) x (?=\d)", " × "),
    (r"(?<![A-Za-z])sqrt ?(?=[(\dA-Za-z])", "√"),
    (r"(?<![A-Za-z])sum(?=_)", "∑"),
    (r"(?<![\w.])([A-Za-zα-ωΑ-Ω∑]|log)_(\w{1,4}|\{[^{}]*\}|\([^()]*\))(?!\w)", _lowered),
    (r"(\|)_(F|\d)", _lowered),
    (r"(\d)\^([-+]?\w+(?:[./]\d+)*)", _raised),  # of a number, a fraction is an exponent
    (r"(\S)\^(\([^()]*\)|-\d+(?:[./]\d+)*|\d+|[-+]?[A-Za-zα-ω]+|\+)", _raised),
)


def marked(text: str) -> Markup:
    """The text as HTML, with its symbols; what stands between backticks is code and stays.

    Args:
        text: a sentence as claims have it.
    """
    parts = str(escape(text)).split("`")
    for i, part in enumerate(parts):
        parts[i] = f"<code>{part}</code>" if i % 2 else _symbols(part)
    return Markup("".join(parts))


def _symbols(part: str) -> str:
    for pattern, replacement in RULES:
        part = re.sub(pattern, replacement, part)
    return part
