"""The README's example runs as it stands."""

import re
from pathlib import Path

import peft
import pytest
import torch
from torch import nn

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_the_library_example_runs_and_its_adapter_loads_in_peft(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exec(example, names)
        torch.manual_seed(0)
        base = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 8))
    assert "rank 8" in capsys.readouterr().out
    theirs = peft.PeftModel.from_pretrained(base, "adapter")
    torch.testing.assert_close(theirs(names["x"]), names["model"](names["x"]))
