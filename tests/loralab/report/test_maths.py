"""Symbols in sentences."""

import pytest

from loralab.report.maths import marked


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("B* = D S Q^T (Q S Q^T)^-1", "B* = D S Q<sup>T</sup> (Q S Q<sup>T</sup>)<sup>-1</sup>"),
        ("lambda_i/(lambda_i + gamma)", "λ<sub>i</sub>/(λ<sub>i</sub> + γ)"),
        ("s = alpha / sqrt(r) <= 1", "s = α / √(r) ≤ 1"),
        ("|W' - M|_F^2/2", "|W&#39; - M|<sub>F</sub><sup>2</sup>/2"),
        ("n^(-1/2) or 10^-5/3", "n<sup>-1/2</sup> or 10<sup>-5/3</sup>"),
        ("C_ii = +-sigma_i", "C<sub>ii</sub> = ±σ<sub>i</sub>"),
        ("64 x 64 and D x", "64 × 64 and D x"),
        ("log(e_t/e_(t-1))", "log(e<sub>t</sub>/e<sub>t-1</sub>)"),
        ("<b> & >= 2", "&lt;b&gt; &amp; ≥ 2"),
    ],
)
def test_symbols_are_drawn(text, html):
    assert marked(text) == html


@pytest.mark.parametrize("name", ["init_a", "lr_stability.plane", "fan_in", "alphabet", "resum_x"])
def test_a_name_stays(name):
    assert marked(name) == name


def test_what_stands_between_backticks_is_code():
    assert marked("as `a_b <= 1` says") == "as <code>a_b &lt;= 1</code> says"
