"""Every program of examples/ runs, here on one tiny Llama, and ends with what it promises."""

import importlib.util
import inspect
import json
import re
import runpy
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

import lora
from loralab.code import ROOT
from tests.support.finetuning import word_tokenizer
from tests.support.quantised import dense_llama

FOLDER = ROOT / "examples"
PROGRAMS = sorted(file for file in FOLDER.iterdir() if file.suffix in (".py", ".sh", ".ipynb"))
LONGEST = 60
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
Run = Callable[[str], str]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A Llama wide enough for four bits, whose words are of the text that the examples train on."""
    text = " ".join(inspect.getdoc(getattr(statistics, x)) or "" for x in statistics.__all__)
    words = sorted({*text.split()})[::12]
    folder = tmp_path_factory.mktemp("model")
    word_tokenizer(folder, tuple(words[:61]))
    dense_llama().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def schemes():
    """A scheme that an example adds is not there for the tests that come later."""
    kept = dict(lora.SCHEMES)
    yield
    lora.SCHEMES.clear()
    lora.SCHEMES.update(kept)


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys) -> Run:
    """What an example prints, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LORALAB_JOBS", "1")

    def run(name: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, str(model)])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            runpy.run_path(str(FOLDER / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def losses(printed: str) -> tuple[float, float]:
    found = re.search(r"training loss: ([\d.]+) in the first step, ([\d.]+) in the last", printed)
    assert found, printed
    return float(found[1]), float(found[2])


def loads_in_peft(folder: str, model: Path) -> bool:
    """Whether PEFT loads the folder, and it has changed the model."""
    base = AutoModelForCausalLM.from_pretrained(model).eval()
    tokens = torch.arange(8).view(1, 8)
    before = base(tokens).logits
    return not torch.equal(peft.PeftModel.from_pretrained(base, folder)(tokens).logits, before)


def test_lora_is_trained_and_peft_computes_the_same(run):
    printed = run("lora_smollm2.py")
    first, last = losses(printed)
    assert last < first
    difference = re.search(r"differ by at most (\S+)", printed)
    assert difference
    assert float(difference[1]) <= 1e-5


def test_eva_shares_out_the_ranks(run, model):
    printed = run("eva_smollm2.py")
    assert len(set(re.findall(r"rank \d+ to (\d+)", printed))) > 1
    first, last = losses(printed)
    assert last < first
    assert loads_in_peft("eva-adapter", model)


def test_a_script_with_trainer_is_initialized(run, model):
    assert "training loss" in run("peft_trainer.py")
    assert loads_in_peft("trainer/adapter", model)


@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="needs trl: pip install trl")
@pytest.mark.filterwarnings("ignore")  # of trl, which is not among the tested versions
def test_a_script_with_trl_is_initialized(run, model):
    assert "training loss" in run("trl_sft.py")
    assert loads_in_peft("sft/adapter", model)


@pytest.mark.filterwarnings("ignore")  # of what bitsandbytes finds on this machine
def test_a_model_of_four_bits_is_adapted(run, model):
    first, last = losses(run("qlora_eva.py"))
    assert last < first
    assert loads_in_peft("qlora-adapter", model)


def test_a_scheme_is_tested_and_its_fault_seen(run):
    printed = run("own_scheme.py")
    assert "the scheme passes\n" in printed
    assert re.search("the one with a fault does not: .*draws from the global generator", printed)
    assert "busiest, plain: 2 layers" in printed


def test_a_sweep_ends_with_a_verdict_and_pictures(run):
    printed = run("sweep.py")
    assert "Each method at its best learning rate" in printed
    assert printed.count("picture: comparison/") >= 2


NOTEBOOK = json.loads((FOLDER / "first_look.ipynb").read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive:UserWarning")
def test_the_notebook_runs(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MODEL", str(model))
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for cell in CELLS:
            exec("".join(cell["source"]), names)
    assert names["exit_code"] == 0
    assert names["losses"][-1] < names["losses"][0]
    assert "|dW|/|W| = " in capsys.readouterr().out


def test_the_notebook_opens_with_its_outputs_and_nothing_else():
    printed = [output for cell in CELLS for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in printed) == 1
    assert {output.get("name") for output in printed} == {"stdout", None}, "no warnings"
    assert all(cell["outputs"] for cell in CELLS if "import loralab" not in "".join(cell["source"]))
    assert len(json.dumps(NOTEBOOK)) < 100_000


@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: file.name)
def test_an_example_is_short_and_the_list_has_it(file):
    if file.suffix != ".ipynb":
        assert file.read_text(encoding="utf-8").count("\n") < LONGEST
    assert f"]({file.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")
