"""`loralab.finetune` and the other commands as functions: they return data and never exit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

import loralab
from tests.support.finetuning import arguments, tiny_bert


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


@pytest.fixture
def settings(model, tmp_path, monkeypatch) -> dict[str, Any]:
    """Of a run of four steps whose files all lie in tmp_path."""
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))
    arguments(model, tmp_path)
    data = {name: tmp_path / f"{name}.jsonl" for name in ("train", "test")}
    return {"model": model, **data, "steps": 4, "batch": 8, "rank": 4}


def test_importing_loralab_imports_no_model_library():
    code = "import sys, loralab; print({'torch', 'transformers', 'scaling'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert {"advise", "finetune", "init", "sweep", "__version__"} <= set(dir(loralab))
    with pytest.raises(AttributeError, match="no attribute 'finetuned'"):
        _ = loralab.finetuned


def test_a_run_returns_its_metrics_and_folder(settings, tmp_path):
    found = loralab.finetune(**settings, out=tmp_path / "run", lr=0.02)
    assert found.folder == tmp_path / "run"
    assert (found.adapter / "adapter_config.json").is_file()
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (found.metrics, found.before) == (kept["metrics"], kept["before"])
    assert len(found.losses) == 4
    assert repr(found).startswith("text_classification: accuracy ")
    again = loralab.finetune(**settings, out=tmp_path / "run", lr=0.02)
    assert (again.metrics, again.seconds) == (found.metrics, found.seconds), "read, not repeated"


def test_a_sweep_returns_its_rows(settings, tmp_path):
    methods = {"both": {}, "B alone": {"train_a": False}}
    size = {"rates": [5e-3, 2e-2], "seeds": [0], "widen": 0, "jobs": 1}
    found = loralab.sweep(**settings, **size, methods=methods, out=tmp_path / "out")
    assert [row.method for row in found.rows] == ["both", "B alone"]
    assert found.rows[1].trained_parameters < found.rows[0].trained_parameters
    assert found.page.is_file()
    assert "Each method at its best learning rate" in repr(found)
    assert all(note in repr(found) for note in found.notes)


def test_an_initialization_returns_its_ranks(settings, tmp_path):
    chosen = {"scheme": "eva", "scheme_options": {"rho": 2.0}}
    found = loralab.init(**settings, **chosen, out=tmp_path / "start")
    assert (found.folder / "adapter_config.json").is_file()
    assert len(set(found.ranks.values())) > 1, "rho has moved no rank"
    assert found.explained.keys() == found.ranks.keys()
    assert all(share is None or 0 < share <= 1 for share in found.explained.values())
    assert "goes on" in repr(found)


def test_advice_returns_the_recommendation(settings, capsys):
    found = loralab.advise(**settings, batches=2)
    assert found.recommendation["scheme"] in ("init_a", "eva")
    assert len(found.recommendation["rates"]) == 5
    assert found.advice.batches == 2
    assert "recommendation" in repr(found)
    assert capsys.readouterr().out == "", "what is returned is not printed too"


@pytest.mark.parametrize("name", ["advise", "finetune", "init", "sweep"])
def test_wrong_input_is_a_value_error(name, tmp_path):
    act = getattr(loralab, name)
    with pytest.raises(ValueError, match="there is no setting 'rnak'; did you mean 'rank'"):
        act(out=tmp_path / "out", rnak=4)
    kept = {"store": tmp_path / "store.sqlite"} if name in ("finetune", "sweep") else {}
    with pytest.raises(ValueError, match=r"there is no data file .*nowhere\.jsonl"):
        act(out=tmp_path / "out", train=tmp_path / "nowhere.jsonl", **kept)


def test_learning_rates_of_another_name_are_no_learning_rate():
    with pytest.raises(ValueError, match="there is no setting 'lrs'; here it is 'rates'"):
        loralab.sweep(lrs=[1e-3])


def test_an_initialization_needs_no_test_data(settings, tmp_path):
    (tmp_path / "train.jsonl").write_text('{"text": "red one", "label": 1.5}\n')
    del settings["test"]
    assert loralab.init(**settings, out=tmp_path / "start").ranks
    with pytest.raises(ValueError, match="has one record, and none can be held out: pass --test"):
        loralab.finetune(**settings, out=tmp_path / "run")
