"""One file for one experiment: what it may hold, what is written of it, and who reads it."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loralab import flags
from loralab.code import ROOT
from scaling.core.settings import GROUPS
from scaling.training.command import values_of, whole
from scaling.training.experiment import (
    COMMANDS,
    GRID,
    METHODS,
    File,
    _dumped,
    filled,
    groups_of,
    read,
    written,
)

FILE = """
steps: 20
dropout: 1e-1
weight-decay: 1
gradient_checkpointing: true
train_a: false
target_modules: query
scheme_options: {rho: 2.0, center: false}
seeds: [3, 4]
rates: [1e-3, 2]
test: null
out: results
batches: 4
methods:
  B alone: {train_a: false}
  LoRA: {}
"""


def of(command: str, file: Path, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return values_of(groups_of(command), command, None, [str(file), *more])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_the_same_file_and_flags_win_over_it(tmp_path, command):
    (tmp_path / "run.yaml").write_text(FILE)
    found, others = of(command, tmp_path / "run.yaml", "--steps", "5", "--train-a")
    expected = {
        "steps": 5,
        "train_a": True,
        "dropout": 0.1,
        "weight_decay": 1.0,
        "gradient_checkpointing": True,
        "target_modules": ("query",),
        "scheme_options": {"rho": 2.0, "center": False},
        "out": Path("results"),
    }
    assert {name: found[name] for name in expected} == expected
    assert not {"test", "rank"} & found.keys(), "what is left open stays so"
    assert type(found["weight_decay"]) is float, "as the flag has it: the run is the same"
    both = found | others
    assert (both["seeds"], both["rates"], both["batches"]) == ((3, 4), (1e-3, 2.0), 4)
    assert others[METHODS] == {"B alone": {"train_a": False}, "LoRA": {}}
    assert found.get("schemes", ()) == (), "none but the methods"


def test_a_switch_of_the_file_is_turned_off_by_its_flag(tmp_path):
    (tmp_path / "run.yaml").write_text("tie: true")
    assert of("finetune", tmp_path / "run.yaml")[0]["tie"]
    assert not of("finetune", tmp_path / "run.yaml", "--no-tie")[0]["tie"]


BAD = {
    "steps: [": "is not YAML",
    "- steps": "must hold settings by name, got list",
    "stesp: 3": "there is no setting 'stesp'; did you mean steps?",
    "learning_rate: 1e-3": "there is no setting 'learning_rate'; here it is lr",
    "methods: [eva]": "methods must hold, by a name, the settings in which each differs",
    "methods: {A: {rnak: 3}}": "method 'A': there is no setting 'rnak'; did you mean rank?",
    "methods: {A: {rank: x}}": "method 'A': rank must be a whole number, got 'x'",
    "steps: 3\nsteps: 4": "is not YAML: steps stands in it twice",
    "scheme_options: {rho: 1.0, rho: 2.0}": "is not YAML: rho stands in it twice",
    "seeds: 1.5": "seeds must be whole numbers, got 1.5",
    "out: [a, b]": "out must be a path, got ['a', 'b']",
    "model: 7": "model must be a text, got 7",
    "trust_remote_code: 1": "trust_remote_code must be True or False, got 1",
    "precision: double": "precision must be one of auto, float32, bfloat16, float16, got 'double'",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_file_is_one_sentence(tmp_path, text):
    """Of a setting that the command has no use for too."""
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(BAD[text])) as caught:
        of("advise", tmp_path / "run.yaml")
    assert str(caught.value).startswith(str(tmp_path / "run.yaml"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"^cannot read the experiment .*: No such file"):
        of("finetune", tmp_path / "run.yaml")


WRONG_FLAGS = {
    "a file": (["nowhere.yaml"], "cannot read the experiment"),
    "a flag": (["--rnak", "4"], "unknown flag --rnak; did you mean --rank?"),
    "a scheme": (["--scheme", "evaa"], "unknown scheme 'evaa'; did you mean 'eva'?"),
    "a variant": (["--variant", "plan"], "unknown variant 'plan'; did you mean 'plain'?"),
    "a task": (["--task", "causal"], "unknown task 'causal'; did you mean 'causal_lm'?"),
    "a number": (["--steps", "0"], "steps must be at least 1, got 0"),
    "two": (["--hold-out", "a", "b", "--test", "c"], "hold_out and test both say"),
}


@pytest.mark.parametrize("case", WRONG_FLAGS)
def test_a_wrong_flag_is_found_before_torch_is_loaded(case):
    words, sentence = WRONG_FLAGS[case]
    code = (
        "import sys; from scaling.finetune import run; code = run(sys.argv[1:]); "
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["2", "False"]
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Of a setting's type: every one that a flag has."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is type(None):
        return st.none()
    if kind is Path:
        return st.text("ab/.", min_size=1).map(Path)
    if kind in (int, bool, str, float):
        numbers = st.floats(allow_nan=False)
        text = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
            ("1e3", "null", "yes", "0x1", "1:30", "~", "on", "- a", "2024-01-01", "<<", "=")
        )
        return {int: st.integers(), bool: st.booleans(), str: text, float: numbers}[kind]
    if origin is tuple:
        if inner[-1] is ...:
            return st.lists(values(inner[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, inner))
    if origin is dict:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=3)
    if origin in (Union, UnionType):
        return st.one_of(*map(values, inner))
    return st.sampled_from(inner)  # of a Literal


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_printed_reads_back_to_the_same_settings(command, data, tmp_path_factory):
    """And their types: the run has the same key in the store."""
    groups = {n: g for n, g in groups_of(command).items() if g.kind is not File}
    expected = {
        f.name: data.draw(values(group.hints()[f.name]), label=f.name)
        for group in groups.values()
        for f in fields(group.kind)
    }
    names = data.draw(st.sets(st.sampled_from(sorted(expected)), min_size=1), label="given")
    default = {
        f.name: group.default(f) for group in groups.values() for f in fields(group.kind)
    } | ({"out": Path("out")} if command == "init" else {})
    expected = {n: expected[n] if n in names else default[n] for n in expected}
    others = {METHODS: {"a: b": {"rank": 3, "scheme_options": {"1e3": 2.0}}}}
    file = tmp_path_factory.mktemp("printed") / "run.yaml"
    file.write_text(written(groups_of(command), expected, others), encoding="utf-8")
    given = read(file, groups_of(command))
    assert {METHODS: given.pop(METHODS)} == others
    found = flags.read(filled(groups, given), "", None, [])
    assert repr(found) == repr(
        {name: {f.name: expected[f.name] for f in fields(g.kind)} for name, g in groups.items()}
    )


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_a_name_with_a_line_end_of_unicode_reads_back(tmp_path, end):
    file = tmp_path / "run.yaml"
    file.write_text(_dumped({"train": f"a{end}b"}), encoding="utf-8")
    assert read(file, groups_of("finetune"))["train"] == f"a{end}b"


def test_what_is_printed_holds_every_default_of_a_run(tmp_path):
    (tmp_path / "run.yaml").write_text("jobs: 2\nseeds: [1]\nforce: true")
    found, others = of("sweep", tmp_path / "run.yaml")
    every = whole(groups_of("sweep"), found)
    text = written(groups_of("sweep"), every, others)
    names = {f.name for kind in GROUPS.values() for f in fields(kind)}
    names |= {f.name for f in fields(groups_of("sweep")[GRID].kind)}
    (tmp_path / "printed.yaml").write_text(text)
    lines = {line.split(":")[0] for line in text.splitlines() if re.match(r"\w+:", line)}
    assert lines == names | {"jobs", "force"}
    again, same = of("sweep", tmp_path / "printed.yaml")
    assert (whole(groups_of("sweep"), again), same) == (every, others)


def test_the_record_of_a_run_is_such_a_file(tmp_path):
    pytest.importorskip("transformers")
    from scaling.core.config import Config

    config = Config.of(rank=3, scheme="eva", scheme_options={"rho": 2.0}, columns=["a", "b"])
    (tmp_path / "run.json").write_text(json.dumps(config.as_json()))
    found, _ = of("finetune", tmp_path / "run.json")
    assert Config.of(**{name: found[name] for name in config.flat() if name in found}) == config


def test_what_is_printed_has_the_defaults_of_the_task(capsys):
    pytest.importorskip("transformers")
    from scaling.finetune import run
    from scaling.tasks import configured

    assert run(["--print-config", "--task", "causal_lm", "--batch", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"batch: 2", f"steps: {configured(None, {'task': 'causal_lm'}).training.steps}"} <= {
        *lines
    }


def test_the_printed_run_is_checked(capsys):
    pytest.importorskip("transformers")
    from scaling.finetune import run

    assert run(["--print-config", "--rank", "0"]) == 2
    assert "rank must be at least 1, got 0" in capsys.readouterr().err
    assert run(["--print-config", "--rank", "3"]) == 0
    assert "\nrank: 3\n" in capsys.readouterr().out
