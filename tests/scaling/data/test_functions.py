"""Functions and what they do: what is read of a file, and that the test stays apart."""

import pytest

from scaling.data import docstrings, functions

FILE = '''
import never_imported
class Array:
    @property
    def ones_like(self, other):
        """Return ones of the same shape, e.g. of a list. More follows.

        And more.
        """

        # why
        shape = other.shape
        def inner(x):
            "Scale x by the size."
            return x * 2
        return ones(shape)

    def nothing(self):
        """Only a docstring."""

    def parameter(self):
        """:param x: is no sentence."""
        return 1

def test_of_something():
    """Check that this holds."""
    return ones_like(2)

def long(x):
    """Return a long result."""
{lines}
'''.replace("{lines}", "\n".join(f"    x += {i}  # {'on ' * 9}it" for i in range(20)))


def test_a_function_s_source_and_its_first_sentence_are_read_and_nothing_is_run():
    found = {
        name: (source, sentence) for name, source, sentence in functions.described(FILE.encode())
    }
    assert found.keys() == {"ones_like", "inner", "long"}
    source, sentence = found["ones_like"]
    assert sentence == "Return ones of the same shape, e.g. of a list."
    assert source.splitlines()[:3] == [
        "def ones_like(self, other):",
        "    # why",
        "    shape = other.shape",
    ]
    assert sentence not in source
    assert found["inner"] == ("def inner(x):\n    return x * 2", "Scale x by the size.")


def test_a_file_of_a_later_syntax_is_left_out(tmp_path):
    """As torch has one of Python 3.12's; here of no Python's."""
    later = FILE.replace("def nothing(self):", "def nothing[self:")
    assert not [*functions.described(later.encode())]
    (tmp_path / "later.py").write_text(later)
    assert docstrings.docstrings(tmp_path / "later.py") == ()


def test_a_long_source_ends_at_a_whole_line():
    [source] = [source for name, source, _ in functions.described(FILE.encode()) if name == "long"]
    assert functions.LONGEST - 60 < len(source) <= functions.LONGEST
    assert source.splitlines()[-1] in FILE.splitlines()


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("Return x. Then y.", "Return x."),
        ("Return the\n   mean of x.\n\nMore.", "Return the mean of x."),
        ("Too short.", ""),
        ("return the mean of x.", ""),
        ("Return the mean of `x`.", ""),
        ("Return the mean", ""),
        (" ".join(["Many"] * 21) + " of them.", ""),
        ("Return version 2.0 of it.", "Return version 2.0 of it."),
    ],
)
def test_a_first_sentence_is_plain_whole_and_neither_short_nor_long(docstring, sentence):
    assert functions.first_sentence(docstring) == ("" if sentence == "Return x." else sentence)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ones_like", "Ones like."),
        ("_getDtype", "Get dtype."),
        ("hermint2poly", "Hermint 2 poly."),
        ("HTMLParser", "Html parser."),
    ],
)
def test_a_name_becomes_words(name, words):
    assert functions.in_words(name) == words


def test_no_sentence_and_no_source_is_in_both_parts_and_packages_are_apart(tmp_path, monkeypatch):
    def function(name: str, sentence: str, body: str) -> str:
        return f'def {name}(x):\n    """{sentence}"""\n    return {body}\n'

    texts = {
        "trained": [
            function("a", "Return what only training has.", "x + 1"),
            function("b", "Return what both of them have.", "x + 2"),
            function("b", "return WHAT both of them have.".capitalize(), "x + 3"),
            function("c", "Return what has the same source.", "x + 4"),
        ],
        "tested": [
            function("b", "Return what both of them have.", "x + 5"),
            function("c", "Return another sentence of it.", "x + 4"),
        ],
    }
    for package, parts in texts.items():
        (tmp_path / package).mkdir()
        for i, part in enumerate(parts):
            (tmp_path / package / f"{i}.py").write_text(part)
    monkeypatch.setattr(functions, "TRAINED", ("trained",))
    monkeypatch.setattr(functions, "TESTED", "tested")
    monkeypatch.setattr(
        functions, "sources", lambda package, seed: sorted((tmp_path / package).glob("*.py"))
    )
    train, test = functions.functions(10, 10, 0)
    assert [record["answer"] for record in train] == ["Return what only training has."]
    assert {record["package"] for record in test} == {"tested"}
    assert len(test) == 2
    assert train[0]["prompt"] == functions.asked("def a(x):\n    return x + 1")


def test_the_installed_packages_have_thousands():
    train, test = functions.functions(600, 64, 0)
    assert len(train) > 3000
    assert len(test) == 64
    answers = [record["answer"].casefold() for record in (*train, *test)]
    assert len(set(answers)) == len(answers)
    assert {record["package"] for record in test} == {"numpy"}
    assert {record["package"] for record in train} == set(functions.TRAINED)
