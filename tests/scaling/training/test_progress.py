"""What a training says as it goes: a bar on a terminal, plain lines elsewhere."""

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("transformers")

from rich.console import Console

from loralab import progress
from scaling.core.stages import Stages
from scaling.training.progress import Bar, Steps, Written, shown
from tests.support.finetuning import arguments, call, tiny_bert


def test_a_run_into_a_file_says_plain_lines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    given = arguments(tiny_bert(tmp_path), tmp_path)
    capsys.readouterr()  # of what saved the model
    assert call(given) == 0
    err = capsys.readouterr().err
    steps = re.findall(r"^steps: (\d+) of 12 after ", err, re.MULTILINE)
    assert [int(count) for count in steps] == [*range(1, 13)]
    assert "\r" not in err, "no bar"
    assert err.index("first step: ") < err.index("steps: 1 of 12")


def test_a_run_that_goes_on_counts_its_own_steps(capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    written, none = Written(), SimpleNamespace()
    state = SimpleNamespace(global_step=60, max_steps=100, is_world_process_zero=True)
    written.on_train_begin(none, state, none)
    state.global_step = 61
    written.on_step_end(none, state, none)
    assert capsys.readouterr().err.startswith("steps after 60: 1 of 40 after ")
    state.is_world_process_zero = False
    written.on_step_end(none, state, none)
    assert capsys.readouterr().err == "", "the first process alone speaks"


@pytest.mark.parametrize(("terminal", "kind"), [(True, Bar), (False, Written)])
def test_a_terminal_has_a_bar(monkeypatch, terminal: bool, kind: Any):
    console = Console(file=io.StringIO(), force_terminal=terminal)
    monkeypatch.setattr("scaling.training.progress.console", console)
    assert [type(each) for each in shown(Stages())] == [Steps, kind]
