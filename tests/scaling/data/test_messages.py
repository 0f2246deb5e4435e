"""Conversations: the tokens of the assistant's turns are learnt, exactly those, and no others."""

import pytest

pytest.importorskip("transformers")

from scaling.data.messages import ROLES, check_messages, conversation
from tests.support.finetuning import word_tokenizer

WORDS = ("one", "two", "three", "four", "system", "user", "assistant", "[", "]", "<begin>")
TURNS = [
    {"role": "system", "content": "one"},
    {"role": "user", "content": "two three"},
    {"role": "assistant", "content": "three"},
    {"role": "user", "content": "four"},
    {"role": "assistant", "content": "one two"},
]
PLAIN = (
    "{% for m in messages %}[ {{ m.role }} ] {{ m.content }} <end> four {% endfor %}"
    "{% if add_generation_prompt %}[ assistant ] {% endif %}"
)
# as models that think have it: only the last answer keeps all of its text
FORGETS = (
    "{% for m in messages %}[ {{ m.role }} ] "
    "{{ m.content if loop.last or m.role != 'assistant' else 'four' }} <end> {% endfor %}"
    "{% if add_generation_prompt %}[ assistant ] {% endif %}"
)
# opens a turn in another way than it writes it down
OPENS = PLAIN.replace("[ assistant ] {% endif %}", "[ assistant ] four {% endif %}")
STRICT = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}" + (
    "{% endif %}{{ m.content }} {% endfor %}"
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("words")
    word_tokenizer(folder, WORDS, "<begin> $A")
    return AutoTokenizer.from_pretrained(folder)


def test_all_turns_of_the_assistant_are_learnt_up_to_their_end(tokenizer):
    tokenizer.chat_template = PLAIN
    ids, labels, start = conversation(tokenizer, TURNS, "here")
    assert tokenizer.decode(ids) == (
        "[ system ] one <end> four [ user ] two three <end> four [ assistant ] three <end> four "
        "[ user ] four <end> four [ assistant ] one two <end>"
    )
    learnt = [label for label in labels if label != -100]
    assert tokenizer.decode(learnt) == "three <end> one two <end>"
    assert all(label in (-100, token) for token, label in zip(ids, labels, strict=True))
    assert tokenizer.decode(ids[start:]) == "one two <end>"


def test_the_spans_are_those_of_rendering_prefix_by_prefix(tokenizer):
    tokenizer.chat_template = PLAIN
    ids, labels, _ = conversation(tokenizer, TURNS, "here")
    expected = [False] * len(ids)
    for i, turn in enumerate(TURNS):
        if turn["role"] == "assistant":
            opened, closed = (
                tokenizer(
                    tokenizer.apply_chat_template(part, tokenize=False, **more),
                    add_special_tokens=False,
                )["input_ids"]
                for part, more in (
                    (TURNS[:i], {"add_generation_prompt": True}),
                    (TURNS[: i + 1], {}),
                )
            )
            assert ids[: len(opened)] == opened, "what the model reads before it answers"
            for place in range(len(opened), len(closed) - 1):  # the word after the end is not said
                expected[place] = True
    assert [label != -100 for label in labels] == expected


def test_what_follows_the_last_answer_is_left_out(tokenizer):
    tokenizer.chat_template = PLAIN
    more = [*TURNS, {"role": "user", "content": "three"}]
    assert conversation(tokenizer, more, "here") == conversation(tokenizer, TURNS, "here")


def test_an_answer_that_holds_the_end_token_is_learnt_whole(tokenizer):
    tokenizer.chat_template = PLAIN
    turns = [TURNS[1], {"role": "assistant", "content": "one <end> two"}]
    _, labels, _ = conversation(tokenizer, turns, "here")
    learnt = [label for label in labels if label != -100]
    assert tokenizer.decode(learnt) == "one <end> two <end>"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (FORGETS, "^line 3: the chat template does not render message 3 as it renders"),
        (OPENS, "^line 3: the chat template does not render message 3 as it renders"),
        (STRICT, "^line 3: the chat template refuses the conversation: no system$"),
    ],
    ids=["forgets", "opens", "strict"],
)
def test_a_template_that_cannot_be_followed_is_one_sentence(tokenizer, template, sentence):
    tokenizer.chat_template = template
    with pytest.raises(ValueError, match=sentence):
        conversation(tokenizer, TURNS, "line 3")


WRONG = {
    "text": ("what is one", "must have a list of messages in 'm', got a str"),
    "number": (3, "must have a list of messages in 'm', got a int"),
    "no object": ([["user", "one"]], 'message 1 of .m. must be an object with "role" and "conte'),
    "no content": ([{"role": "user"}], 'message 1 of .m. must be an object with "role" and "con'),
    "role": ([TURNS[0], {"role": "tool", "content": "1"}], "message 2 of 'm' has the role 'tool'"),
    "empty": ([{"role": "user", "content": " "}], "message 1 of 'm' has no text in 'content'"),
    "parts": ([{"role": "user", "content": [1]}], "message 1 of 'm' has no text in 'content'"),
    "no answer": (TURNS[:2], "must have a message of the assistant in 'm' that answers another"),
    "first": ([TURNS[2]], "must have a message of the assistant in 'm' that answers another one"),
    "none": ([], "must have a message of the assistant in 'm' that answers another one"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_conversation_is_one_sentence(case):
    value, sentence = WRONG[case]
    with pytest.raises(ValueError, match=f"^here,? ?{sentence}"):
        check_messages(value, "here", "m")


def test_a_conversation_is_fine():
    check_messages(tuple(TURNS), "here", "m")
    assert {turn["role"] for turn in TURNS} == {*ROLES}
