"""Conditions that several claims share: said once, and every registered letter is still there."""

from hypothesis import given
from hypothesis import strategies as st

from loralab.conditions import LEAST, sentences, shared
from loralab.families import proxies

LONG = "a sentence of some length, " * 3
PIECES = st.sampled_from(
    (LONG + "a", LONG + "b (of two; or three. Or four)", f"`{LONG}; c`", "short", "x in [0, 1)", "")
)
SEPARATORS = st.sampled_from(("; ", ". ", ";", "; ; ", ") "))
LISTED = st.lists(st.tuples(PIECES, SEPARATORS), max_size=6).map(
    lambda pairs: "".join(map("".join, pairs))
)
TEXTS = st.dictionaries(st.sampled_from("pqrstu"), LISTED | st.text(";. ()`ab"))


@given(TEXTS)
def test_head_and_rest_compose_the_text(texts):
    found = shared(texts)
    assert {name: found.whole(name) for name in found.rests} == texts


@given(TEXTS)
def test_what_is_shared_is_long_and_said_once(texts):
    head, rests = shared(texts)
    assert len({*head}) == len(head)
    for i, text in enumerate(head):
        assert len(text) >= LEAST
        assert sum(i in parts for parts in rests.values()) > 1
    for name, parts in rests.items():
        own = [piece for p in parts if isinstance(p, str) for piece in sentences(p)]
        assert not {*own} & {*head}, name


@given(TEXTS)
def test_sentences_end_outside_brackets_and_code(texts):
    for text in texts.values():
        assert "".join(sentences(text)) == text
    assert sentences("a (b; c). d") == ["a (b; c)", ". ", "d"]
    assert sentences("w . relu(h). d") == ["w . relu(h)", ". ", "d"], "a product is no end"
    assert sentences("`a; b`; x in [0, 1). y") == ["`a; b`", "; ", "x in [0, 1)", ". ", "y"]


def test_sentences_that_stand_together_are_one_condition():
    first, second, third = (f"{LONG}{i}" for i in range(3))
    found = shared(
        {
            "a": f"{first}; {second}; own. {third}",
            "b": f"{third}; {first}; {second}",
            "c": f"short; {first}; {second}",
            "d": "short",
        }
    )
    assert found.head == (f"{first}; {second}", third)
    assert found.rests == {
        "a": (0, "; own. ", 1),
        "b": (1, "; ", 0),
        "c": ("short; ", 0),
        "d": ("short",),
    }
    assert found.brief("a", "[{}]") == "[1]; own. [2]"


def test_no_family_repeats_a_wall_of_text():
    for proxy in proxies():
        texts = {claim.id: claim.assumptions for claim in proxy.claims}
        found = shared(texts)
        assert {id: found.whole(id) for id in texts} == texts
        shown = [part for id in texts for part in found.rests[id] if isinstance(part, str)]
        assert sum(map(len, shown)) + sum(map(len, found.head)) < 10_000, proxy.stem
