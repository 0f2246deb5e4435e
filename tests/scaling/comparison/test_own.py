"""A scheme of a user's script: an edit of it makes another trial, and workers are given it."""

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("transformers")

import cloudpickle

import lora
from lora.schemes import SCHEMES
from scaling.comparison import driver, own, trials
from scaling.core.config import Config
from scaling.core.settings import AdapterSettings

SCRIPT = """
import torch
import lora

SIZE = 2.0


def long_rows(W, rank, rng, scale):
    A = torch.eye(rank, W.shape[1], dtype=W.dtype)
    return lora.Factors(W.new_zeros(W.shape[0], rank), SIZE * A)
"""


@pytest.fixture
def script(tmp_path, monkeypatch) -> Iterator[Path]:
    """A module of the user's, whose scheme stands in the table."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "a_script.py"
    read(file, SCRIPT, monkeypatch)
    yield file
    sys.modules.pop("a_script", None)


def read(file: Path, text: str, monkeypatch) -> None:
    file.write_text(text)
    sys.modules.pop("a_script", None)
    module = type(sys)("a_script")
    module.__file__ = str(file)
    exec(compile(text, file, "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "a_script", module)
    row = lora.Scheme(module.long_rows, "nothing", "derived", zero_product=True)
    monkeypatch.setitem(SCHEMES, "long_rows", row)


def settings(scheme: str) -> dict:
    return Config.of(scheme=scheme).as_json()


def test_an_edit_of_the_script_makes_another_trial(script, monkeypatch):
    before, library = trials.code(settings("long_rows")), trials.code(settings("init_a"))
    folder = trials.folder_of(settings("long_rows"), None)
    assert before != library
    assert trials.code(settings("long_rows")) == before
    read(script, SCRIPT.replace("2.0", "30.0"), monkeypatch)
    assert trials.code(settings("long_rows")) != before
    assert trials.folder_of(settings("long_rows"), None) != folder
    assert trials.code(settings("init_a")) == library, "which is not about the script"


def test_so_does_an_edit_of_a_file_that_it_imports(script, monkeypatch):
    helpers = script.parent / "helpers"
    helpers.mkdir()
    (helpers / "__init__.py").write_text("from .sizes import SIZE\nimport json, torch, lora\n")
    (helpers / "sizes.py").write_text("SIZE = 2.0\n")
    (script.parent / "unused.py").write_text("SIZE = 2.0\n")
    importing = SCRIPT.replace("SIZE = 2.0", "from helpers import SIZE")
    read(script, importing, monkeypatch)
    try:
        before = trials.code(settings("long_rows"))
        (script.parent / "unused.py").write_text("SIZE = 3.0\n")
        assert trials.code(settings("long_rows")) == before
        (helpers / "sizes.py").write_text("SIZE = 3.0\n")
        assert trials.code(settings("long_rows")) != before
        [row] = own.rows(settings("long_rows"))
        assert {file.name for file in row.files} == {"a_script.py", "__init__.py", "sizes.py"}
    finally:
        for name in ("helpers", "helpers.sizes"):
            sys.modules.pop(name, None)


def test_what_a_script_may_import_later_is_watched_and_not_run(script, monkeypatch):
    later = script.parent / "later"
    later.mkdir()
    (later / "__init__.py").write_text("raise SystemExit('it was imported')\n")
    (later / "size.py").write_text("SIZE = 2.0\n")
    (script.parent / "broken.py").write_text("def\n")
    lazy = "\n\ndef more():\n    import broken\n    from later.size import SIZE\n"
    read(script, SCRIPT + lazy, monkeypatch)
    before = trials.code(settings("long_rows"))
    (later / "size.py").write_text("SIZE = 3.0\n")
    assert trials.code(settings("long_rows")) != before


def test_so_does_an_edit_in_a_notebook_also_of_what_the_rule_calls(monkeypatch):
    def code(size: str) -> str:
        names: dict = {"__name__": "__main__"}
        text = (
            f"def size():\n    return {size}\n\ndef rule(W, rank, rng, scale):\n    return size()\n"
        )
        exec(compile(text, "<cell>", "exec"), names)
        monkeypatch.setitem(SCHEMES, "typed", lora.Scheme(names["rule"], "nothing", "derived"))
        return own.code(settings("typed"))

    assert code("2") == code("2")
    assert code("2") != code("3")


def test_every_row_of_the_library_is_the_library_s():
    for setting, table in own.TABLES.items():
        for name in table:
            assert own.rows({"scheme": "init_a", "variant": "plain"} | {setting: name}) == []
    assert own.rows(settings("init_a") | {"variant": "full"}) == []


def test_a_worker_that_has_an_older_script_is_given_the_new_one(script, monkeypatch):
    def weight(config: dict) -> float:
        import torch

        rule = lora.SCHEMES["long_rows"].rule
        return rule(torch.ones(3, 4), 2, None, 1.0).A.abs().max().item()

    read(script, SCRIPT.replace("2.0", "30.0"), monkeypatch)
    sent = cloudpickle.dumps(own.Carried(weight, own.rows(settings("long_rows"))))
    read(script, SCRIPT, monkeypatch)  # what the worker has imported
    monkeypatch.delitem(SCHEMES, "long_rows")
    assert pickle.loads(sent)(config={}) == 30
    assert own.rows(settings("long_rows")), "for the keys that a trial makes itself"


def test_a_sweep_hands_the_rows_to_its_executor(script, tmp_path):
    from loralab.memo import Memo
    from loralab.store import Store

    given = []

    def compute(function, todo):
        given.append(([row.name for row in function.needed], len(todo)))
        for i in todo:
            yield i, 0.0, {"diverged": "not run"}

    memo = Memo(Store(tmp_path / "store.sqlite"), "sweep", "", compute=compute)
    configs = [
        Config.of(scheme=name, seed=seed) for seed in (0, 1) for name in ("init_a", "long_rows")
    ]
    found = driver.mapped(trials.fine_tuned, configs, memo)
    assert given == [([], 2), (["long_rows"], 2)]
    assert len(found) == 4


def test_the_flags_know_it_too(script):
    AdapterSettings(scheme="long_rows")
    with pytest.raises(ValueError, match="unknown scheme 'short_rows'"):
        AdapterSettings(scheme="short_rows")
