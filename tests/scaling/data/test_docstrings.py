"""The text that is on every machine: what is read of a file, and that nothing of the training is in
the test."""

import ast
import re

import pytest

from scaling.data import docstrings

FILE = '''"""Of the module."""
class MaskedArray:
    """An array with a mask,

    and more.
    """
    def fill_value(self):
        "The value that stands where nothing is known."
    def __len__(self):
        "How many there are, the hidden ones among them."
'''


def test_names_and_docstrings_are_read_and_nothing_is_run(tmp_path):
    file = tmp_path / "some.py"
    file.write_text(f"{FILE}\nraise RuntimeError('this file was imported')\n")
    found = dict(docstrings.docstrings(file))
    assert found[""] == "Of the module."
    assert found["MaskedArray"] == "An array with a mask,\n\nand more."
    assert docstrings.on_lines(found["MaskedArray"]) == "An array with a mask,\nand more."
    assert found.keys() == {"", "MaskedArray", "fill_value", "__len__"}


def test_every_definition_is_found_the_outer_ones_first(tmp_path):
    blocks = (
        "if x:\n    {0}\nelse:\n    {1}",
        "try:\n    {0}\nexcept E:\n    {1}\nelse:\n    if y:\n        {2}\nfinally:\n    {3}",
        "match x:\n    case 1:\n        {0}\n    case _:\n        {1}",
        "async def g():\n    async with x:\n        {0}\n    for i in x:\n        {1}\n    "
        "else:\n        {2}",
        "class C:\n    while x:\n        {0}",
        "{0}",
    )
    file = tmp_path / "some.py"
    file.write_text(
        "\n".join(
            b.format(*(f"def f(): 'in {i}, {j}'" for j in range(4))) for i, b in enumerate(blocks)
        )
    )
    walked = [
        ast.get_docstring(n)
        for n in ast.walk(ast.parse(file.read_text()))
        if isinstance(n, ast.FunctionDef)
    ]
    assert len(walked) == 13
    assert [text for _, text in docstrings.docstrings(file)] == walked


def test_a_file_in_another_encoding_is_read(tmp_path):
    file = tmp_path / "some.py"
    file.write_bytes('# coding: latin-1\n"""café"""'.encode("latin-1"))
    assert [*docstrings.docstrings(file)] == [("", "café")]


def test_a_summary_is_the_first_of_several_paragraphs(tmp_path, monkeypatch):
    file = tmp_path / "some.py"
    file.write_text("def f():\n    'Alone it sums up nothing.'\n" + FILE)
    monkeypatch.setattr(docstrings, "PACKAGES", ("one",))
    monkeypatch.setattr(docstrings, "sources", lambda package, seed: [file])
    train, test = docstrings.summarised(5, 5, 0)
    assert train == [
        {"text": "An array with a mask, and more.", "summary": "An array with a mask,"}
    ]
    assert test == []


def test_of_the_standard_library_its_own_files_are_read(tmp_path, monkeypatch):
    for name in (
        "os.py",
        "email/mime.py",
        "test/test_os.py",
        "email/tests/more.py",
        "site-packages/torch.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'"""What {name} is for,\n  in short.\n\nMore."""')
    (tmp_path / "silent.py").write_text("x = 1")
    monkeypatch.setattr(docstrings.sysconfig, "get_path", lambda name: str(tmp_path))
    expected = [f"What {name} is for, in short.\nMore." for name in ("email/mime.py", "os.py")]
    assert sorted(docstrings.standard_library()) == expected


def test_a_passage_is_of_several_paragraphs_and_not_long(tmp_path, monkeypatch):
    file = tmp_path / "some.py"
    long = "word " * 250
    file.write_text(
        "def f():\n    'One paragraph alone.'\n"
        "def g():\n    'First\\n one.\\n\\nSecond one.'\n"
        f"def h():\n    'Another.\\n\\n{long}'\n"
    )
    monkeypatch.setattr(docstrings, "PACKAGES", ("one",))
    monkeypatch.setattr(docstrings, "sources", lambda package, seed: [file])
    train, test = docstrings.passages(5, 5, 0)
    assert train == [{"text": "First one.\nSecond one."}]
    assert test == []


@pytest.mark.parametrize("kind", ["labelled", "summarised", "documents", "passages"])
def test_no_file_and_no_text_is_in_both_parts(monkeypatch, kind, tmp_path):
    """Four files with texts in common, in each of two packages that share one too."""
    files = {}
    for package in ("one", "two"):
        files[package] = [tmp_path / f"{package}{i}.py" for i in range(4)]
        for i, file in enumerate(files[package]):
            own = [
                f"def f{j}():\n    '{package} {'own ' * 12}{i} {j}\\n\\nmore'\n" for j in range(3)
            ]
            common = f"def g():\n    'in every file {'of this ' * 5}\\n\\nmore {i}'\n"
            file.write_text(common + "".join(own))
    monkeypatch.setattr(docstrings, "PACKAGES", ("one", "two"))
    monkeypatch.setattr(docstrings, "sources", lambda package, seed: files[package])
    # a file has three texts of its own: of five the second file has two
    count = 2 if kind == "documents" else 5
    train, test = getattr(docstrings, kind)(count, count, 0)
    assert len(train) == len(test) == 2 * count
    texts = [
        {text for row in part for text in (row["text"], row.get("summary"))}
        for part in (train, test)
    ]
    assert not (texts[0] - {None}) & texts[1]
    own = re.compile(r"(?:one|two) (?:own )+\d")
    origin = [
        {found for row in part for found in own.findall(row["text"])} for part in (train, test)
    ]
    assert all(origin)
    assert not origin[0] & origin[1], "a file gives to one part alone"
    assert (
        "".join(row["text"] for part in (train, test) for row in part).count("in every file") == 1
    )
