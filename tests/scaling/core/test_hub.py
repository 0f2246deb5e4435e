"""What the hub has, of what it answers and of what an earlier run has kept."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("huggingface_hub")

import huggingface_hub
from huggingface_hub import errors

from scaling.core.hub import on_hub

RESPONSE: Any = SimpleNamespace(headers={}, request=None)  # as much of one as the errors read


ANSWERS = {
    "the file": (None, True),
    "no such name": (errors.RepositoryNotFoundError("none", response=RESPONSE), False),
    "a gate": (errors.GatedRepoError("ask", response=RESPONSE), True),
    "busy": (errors.HfHubHTTPError("later", response=RESPONSE), True),
    "no connection": (OSError("unreachable"), False),
    "a name that is none": (errors.HFValidationError("a/b/c"), False),
}


@pytest.mark.parametrize("kind", ["model", "dataset"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_the_hub_answers(monkeypatch, tmp_path, kind, answer):
    error, expected = ANSWERS[answer]
    asked = []

    def ask(url, **_):
        asked.append(url)
        if error:
            raise error

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", ask)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    assert on_hub("someone/something", kind) is expected
    assert len(asked) == 1, "once"
    assert ("/datasets/" in asked[0]) == (kind == "dataset")


def test_the_tables_of_an_earlier_run_do_without_the_hub(monkeypatch, tmp_path):
    def ask(*_, **__):
        raise OSError("unreachable")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", ask)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    (tmp_path / "someone___something").mkdir()
    assert on_hub("someone/something", "dataset")
    assert not on_hub("someone/other", "dataset")
    assert not on_hub("someone/something", "model"), "a data set is no model"
