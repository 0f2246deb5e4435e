"""Formulas as MathML, made when the site is built: a page needs no script and no font for them."""

import re
from html import unescape

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def rendered(html: str) -> str:
    """A page whose formulas are MathML."""
    return FORMULA.sub(
        lambda m: convert(unescape(m[2]).strip(), display="block" if m[1] == "div" else "inline"),
        html,
    )
