"""Records of files: what counts as one, and that a wrong one is found by its line or row."""

import json

import pytest

from scaling.core.config import Config
from scaling.core.task import Data
from scaling.data.data_files import parts, read
from scaling.data.rows import opened
from scaling.tasks import find


def rows(count: int, wrong: int, column: str = "label") -> list[dict]:
    """Of two classes, with a null in the row of this number, counted from 1."""
    return [
        {"text": f"text {i}", "label": "ab"[i % 2]} | ({column: None} if i == wrong else {})
        for i in range(1, count + 1)
    ]


def data_of(file, **more) -> Data:
    return find("text_classification").data(Config.of(train=str(file), **more))


@pytest.mark.parametrize("wrong", [1, 11, 40])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_null_is_found_by_its_line_whatever_the_shuffle(tmp_path, wrong, seed):
    file = tmp_path / "some.jsonl"
    lines = [json.dumps(row) for row in rows(40, wrong)]
    file.write_text("\n\n" + "\n".join(lines))  # after two blank lines
    with pytest.raises(ValueError, match=f"^line {wrong + 2} of {file} has no value in 'label'$"):
        data_of(file, seed=seed)


def test_a_null_is_found_by_its_row_in_a_table_too(tmp_path):
    pandas = pytest.importorskip("pandas")
    file = tmp_path / "some.parquet"
    pandas.DataFrame(rows(20, 7)).to_parquet(file)
    with pytest.raises(ValueError, match=f"^row 7 of {file} has no value in 'label'$"):
        data_of(file)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"text": "a", "label"', "is not JSON: Expecting ':' delimiter at column 22"),
        ("[1, 2]", "must be an object with named columns, got a list"),
        ("[" * 100_000, "is nested too deeply"),
    ],
    ids=["cut", "list", "deep"],
)
def test_a_broken_line_is_named(tmp_path, line, sentence):
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join([json.dumps(row) for row in rows(4, 0)] + [line]))
    with pytest.raises(ValueError, match=f"line 5 of {file} {sentence}".replace("[", r"\[")):
        read(str(file))


def test_a_text_file_has_a_record_a_line(tmp_path):
    file = tmp_path / "some.txt"
    file.write_text("one\ntwo \n\nthree\u2028more\r\n")
    found = read(str(file))["train"]
    assert found == [{"text": "one"}, {"text": "two"}, {"text": "three\u2028more"}]
    train, test = parts(Config.of(train=str(file)), lambda: ([], []))
    assert sorted(record["text"] for record in [*train, *test]) == ["one", "three\u2028more", "two"]


TASKS = {
    "text_classification": ("text", "label"),
    "causal_lm": ("prompt", "answer"),
    "seq2seq_lm": ("text", "summary"),
}


@pytest.mark.parametrize("value", [["some", "turns"], {"role": "user"}])
@pytest.mark.parametrize(
    ("task", "column"), [(task, column) for task, both in TASKS.items() for column in both]
)
def test_a_list_where_a_text_belongs_is_found_by_its_line(tmp_path, task, column, value):
    file, kind = tmp_path / "some.jsonl", type(value).__name__
    sound = [dict.fromkeys(TASKS[task], str(i % 2)) for i in range(6)]
    sound[4] |= {column: value}
    file.write_text("".join(f"{json.dumps(row)}\n" for row in sound))
    sentence = f"^line 5 of {file} has a {kind} in '{column}', which must be a text or a number$"
    with pytest.raises(ValueError, match=sentence):
        find(task).data(Config.of(task=task, train=str(file)))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_a_cell_of_a_table_is_the_text_that_stands_there(tmp_path, suffix, delimiter, streaming):
    file = tmp_path / f"some.{suffix}"
    lines = [["prompt", "answer"], ["007", "None"], ['"one\ntwo"', ""], ["1.50"], [" NA", '"a, b"']]
    text = "\n".join(delimiter.join(line) for line in lines)
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())  # as spreadsheets write it
    assert list(opened(str(file), streaming)["train"].records()) == [
        {"prompt": "007", "answer": "None"},
        {"prompt": "one\ntwo", "answer": None},
        {"prompt": "1.50", "answer": None},
        {"prompt": " NA", "answer": "a, b"},
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prompt,answer\nhello, 3,you there\n", "line 2 has 3 cells, and there are 2 columns"),
        ("prompt,prompt\na,b\n", "two columns are called 'prompt'"),
        ('prompt,answer\na,b\n"c" d,e\n', "line 3: '"),
    ],
)
def test_a_table_that_would_lose_cells_is_refused(tmp_path, text, sentence):
    file = tmp_path / "some.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"{file} cannot be read: {sentence}"):
        read(str(file))


def test_a_json_file_is_a_list_of_records(tmp_path):
    file = tmp_path / "some.json"
    file.write_text(json.dumps([{"text": "a"}, {"text": "b"}], indent=2))
    assert [row["text"] for row in read(str(file))["train"]] == ["a", "b"]
    with pytest.raises(ValueError, match=r"cannot be streamed: a \.jsonl file"):
        opened(str(file), streaming=True)
    for text, sentence in (
        ('{"text": "a"}', "must hold a list of records, got a dict"),
        ('[{"text": "a"},', "line 1 is not JSON"),
        ('[{"text": "a"}, 3]', f"row 2 of {file} must be an object with named columns, got a int"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=sentence):
            read(str(file))


def test_the_mark_of_bytes_before_a_json_line_is_no_part_of_it(tmp_path):
    file = tmp_path / "some.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"text": "a"}\n')
    assert read(str(file)) == {"train": [{"text": "a"}]}


@pytest.mark.parametrize("name", ["some.jsonl.gz", "some.xlsx", "some"])
def test_a_file_of_another_kind_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(ValueError, match=f"{name} must be one of .jsonl, "):
        read(str(tmp_path / name))


def written(file, labels: list[str]) -> str:
    file.write_text("text,label\n" + "".join(f"some text,{label}\n" for label in labels))
    return str(file)


def test_labels_of_a_table_that_are_numbers_make_a_regression(tmp_path):
    """As those of other files do, though a cell is the text that stands there."""
    train = written(tmp_path / "train.csv", ["0.50", "2", "-1e-3", "3.8"])
    for test in (
        written(tmp_path / "test.csv", ["4", "1"]),
        str(tmp_path / "test.jsonl"),
    ):
        if test.endswith("jsonl"):
            (tmp_path / "test.jsonl").write_text('{"text": "a", "label": 4}')
        found = data_of(train, test=test)
        assert found.facts["classes"] is None
        assert [row["label"] for row in found.train] == [0.5, 2, -1e-3, 3.8]
        assert found.test[0]["label"] == 4
    wrong = written(tmp_path / "wrong.csv", ["1.5", "none"])
    with pytest.raises(ValueError, match=r"row 2 of .*wrong.csv, of the test data, has no number"):
        data_of(train, test=wrong)


@pytest.mark.parametrize("labels", [["007", "12"], ["1", "2"], ["1.5", "v2"]])
def test_other_labels_of_a_table_are_classes_as_they_are_written(tmp_path, labels):
    file = written(tmp_path / "some.csv", labels * 20)
    assert data_of(file).facts["classes"] == sorted(labels)
