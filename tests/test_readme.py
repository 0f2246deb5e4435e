"""The README's example runs as it stands, its commands and its numbers are what there is."""

import re
from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

import lora
from loralab import flags
from scaling import advise, finetune, sweep
from scaling.models import packaged
from tests.support.finetuning import tiny_llama

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INDEX = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
COMMANDS = re.findall(r"^loralab (\w+) (.*)$", SHELL, re.MULTILINE)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_the_example_for_peft_users_runs_and_its_adapter_loads_in_peft(
    tmp_path, monkeypatch, capsys
):
    words = sorted({*(torch.nn.Linear.__doc__ or "").split()})[:61]  # its vocabulary has 64
    tiny = tiny_llama(tmp_path, tuple(words))
    monkeypatch.setattr(packaged, "ready", lambda name: tiny)
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exec(EXAMPLES[0], names)
    assert len(set(re.findall(r"rank (\d+)", capsys.readouterr().out))) > 1, (
        "the ranks were shared out"
    )
    model, tokens = names["model"], names["tokens"]
    model(**names["batches"][0]).loss.backward()
    names["optimizer"].step()
    model.save_pretrained(tmp_path / "adapter")
    expected = model.eval()(tokens).logits
    base = AutoModelForCausalLM.from_pretrained(tiny)
    assert not torch.equal(base(tokens).logits, expected)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
    assert torch.equal(theirs(tokens).logits, expected)


def test_every_python_example_is_run():
    assert len(EXAMPLES) == 1


@pytest.mark.parametrize(("name", "words"), COMMANDS)
def test_a_command_has_the_flags_that_it_is_given(name, words):
    groups = {"advise": advise, "finetune": finetune, "sweep": sweep}[name].GROUPS
    values = flags.read(groups, f"loralab {name}", "", words.split())
    assert values, name


def test_the_commands_are_three():
    assert [name for name, _ in COMMANDS] == ["advise", "sweep", "finetune"]


def test_what_is_counted_is_counted_right():
    for text in (README, INDEX):
        assert f"with {len(lora.SCHEMES)} initializations" in text
        assert f"and {len(lora.VARIANTS)} variants" in text
