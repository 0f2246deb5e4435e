"""The README's examples run as they stand."""

import re
from pathlib import Path

import peft
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_the_library_example_runs_and_its_adapter_loads_in_peft(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exec(EXAMPLES[0], names)
        torch.manual_seed(0)
        base = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 8))
    assert "rank 8" in capsys.readouterr().out
    theirs = peft.PeftModel.from_pretrained(base, "adapter")
    torch.testing.assert_close(theirs(names["x"]), names["model"](names["x"]))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_the_example_for_peft_users_runs_and_its_adapter_loads_in_peft(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exec(EXAMPLES[1], names)
        torch.manual_seed(0)
        base = LlamaForCausalLM(LlamaConfig(**names["sizes"])).eval()
    assert len(set(re.findall(r"rank (\d+)", capsys.readouterr().out))) > 1, (
        "the ranks were shared out"
    )
    model, tokens = names["model"].eval(), names["batches"][0]["input_ids"]
    expected = model(tokens).logits
    assert not torch.equal(base(tokens).logits, expected)
    theirs = peft.PeftModel.from_pretrained(base, "adapter")
    assert torch.equal(theirs(tokens).logits, expected)


def test_every_python_example_is_run():
    assert len(EXAMPLES) == 2
