"""Patterns of module names: what `re` answers, in an end of steps."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora import patterns
from lora.patterns import check_key, check_pattern, matches, pattern_matches

NAMES = st.text(alphabet="ab.1A\n", max_size=9)
LEAVES = st.sampled_from(
    ["a", "b", ".", r"\.", "[ab]", "[^a]", r"\d", r"\w", "^", "$", r"\b", r"\Z", "", "(?!)"]
)
WIDE = st.sampled_from(["a", ".", "[ab]", r"\w", "a."])  # what a lookbehind can hold


def longer(parts):
    one = st.tuples(parts, parts)
    return st.one_of(
        one.map("".join),
        one.map(lambda p: f"(?:{p[0]}|{p[1]})"),
        parts.map(lambda p: f"({p})"),
        st.tuples(
            parts, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{,2}?"])
        ).map(lambda p: f"(?:{p[0]}){p[1]}"),
        parts.map(lambda p: f"(?={p})"),
        parts.map(lambda p: f"(?!{p})"),
        WIDE.map(lambda p: f"(?<={p})"),
        WIDE.map(lambda p: f"(?<!{p})"),
        parts.map(lambda p: f"(?i:{p})"),
        parts.map(lambda p: f"(?s:{p})"),
    )


PATTERNS = st.recursive(LEAVES, longer, max_leaves=8)


@pytest.fixture(scope="module", params=[patterns.FEW, -1], ids=["as it is", "never by re"])
def few(request):
    """Also with every pattern matched by sets of places."""
    usual, patterns.FEW = patterns.FEW, request.param
    patterns._compiled.cache_clear()
    yield
    patterns.FEW = usual
    patterns._compiled.cache_clear()


@given(pattern=PATTERNS, flags=st.sampled_from(["", "(?i)", "(?m)", "(?s)"]), name=NAMES)
@settings(max_examples=1000)
@pytest.mark.usefixtures("few")
def test_a_pattern_means_what_re_says(pattern, flags, name):
    assert matches(flags + pattern, name) == bool(re.fullmatch(flags + pattern, name))


@given(key=PATTERNS, name=NAMES)
@settings(max_examples=500)
@pytest.mark.usefixtures("few")
def test_a_key_means_what_peft_says(key, name):
    assert pattern_matches(key, name) == bool(re.match(rf"(.*\.)?({key})$", name))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("repeat", ["{2,3}", "{2,}", "{,2}", "+", "{3}", "??", "*?"])
@pytest.mark.parametrize("body", ["a", "(?:ab?)", "(?i:A)", "(?-i:a)"])
@pytest.mark.parametrize("name", ["a" * n for n in range(6)] + ["ab", "aab", "A", "AAA", "aAa"])
def test_repeats_and_flags_inside_a_pattern(repeat, body, name):
    for pattern in (body + repeat, f"(?i){body}{repeat}", f"x?{body}{repeat}b?"):
        assert matches(pattern, name) == bool(re.fullmatch(pattern, name))


@pytest.mark.parametrize(
    ("pattern", "name", "meant"),
    [
        (r"^(?!.*visual).*(?:q_proj|v_proj).*", "model.layers.3.attn.q_proj", True),
        (r"^(?!.*visual).*(?:q_proj|v_proj).*", "model.visual.layers.3.attn.q_proj", False),
        (r".*(?<!cross_)attn\.(?:to_q|to_k)", "down.0.attn.to_q", True),
        (r".*(?<!cross_)attn\.(?:to_q|to_k)", "down.0.cross_attn.to_q", False),
        (r".*layers\.(?:1[0-9]|2\d)\..*(gate|up)_proj", "model.layers.17.mlp.gate_proj", True),
        (r".*layers\.(?:1[0-9]|2\d)\..*(gate|up)_proj", "model.layers.7.mlp.gate_proj", False),
    ],
)
def test_what_adapters_in_use_hold(pattern, name, meant):
    assert matches(pattern, name) is meant


HOSTILE = [
    "([a-z_.0-9]+)+X",
    "(a|a)*b",
    "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)X",
    "(?:a?){60}a{60}X",
    "(?:(?:a{1,60000}){1,60000}){1,60000}X",
    "(?:){4000000000}X",
    "(?:(?=a)){4000000000}X",
    "(?=([a-z]+)+X)a",
    "(a|b|ab)*(a|b|ab)*(a|b|ab)*X",
]


names = st.text("ab.", max_size=5)


@given(st.lists(names, max_size=4).map(tuple), names)
def test_of_several_names_one_is_the_whole_or_the_end_after_a_dot(ends, name):
    meant = any(name == end or name.endswith(f".{end}") for end in ends)
    assert matches(ends, name) == meant


def test_no_pattern_hangs():
    """A backtracking matcher would need longer than the universe is old."""
    code = (
        "from lora.patterns import matches, pattern_matches\n"
        f"for pattern in {HOSTILE!r}:\n"
        "    for name in ('ab' * 50, 'a' * 100, 'model.layers.' * 8):\n"
        "        assert not matches(pattern, name) and not pattern_matches(pattern, name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("q_(proj", "missing ), unterminated subpattern"),
        (r"(a|b)\1", "back-references cannot be matched in bounded time"),
        (r"(?i:(a|b)\1)", "back-references cannot"),
        ("(a)?(?(1)b|c)", "conditions on a group cannot"),
        ("(?>a+)b", "atomic groups cannot"),
        ("a*+b", "possessive repeats cannot"),
        ("a{99999999999}", "the repetition number is too large"),
        ("(" * 60 + "a" + ")" * 60, "it is nested too deep"),
        ("(" * 9000 + "a" + ")" * 9000, "it is nested too deep"),
        ("(?:a?b?)" * 2000, "it has more than 2000 groups, repeats and branches"),
    ],
)
def test_what_cannot_be_matched_in_bounded_time_is_refused(pattern, reason):
    for check in (check_pattern, check_key):
        with pytest.raises(ValueError, match="not a valid regular expression") as caught:
            check(pattern)
        assert reason in str(caught.value)


def test_a_key_is_checked_as_peft_will_use_it():
    check_pattern("(?i)q_proj")
    with pytest.raises(ValueError, match="global flags not at the start"):
        check_key("(?i)q_proj")
