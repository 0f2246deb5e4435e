"""The command of the coordinate check: its verdict, its files and its flags."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxies.instruments import optional
from proxies.instruments.coordinates import QUANTITIES
from scaling.coord_check import Config, main
from scaling.evaluation.coordinates import Result, faults
from tests.support.architectures import GPT2

transformers = pytest.importorskip("transformers")
ROOT = Path(__file__).parents[2]


def result(found, predicted) -> Result:
    return Result({}, [], np.array(found, float)[None, None, :, None], [predicted])


@settings(max_examples=200)
@given(
    off=st.lists(st.floats(-1, 1), min_size=5, max_size=5),
    c=st.lists(st.floats(-1, 0), min_size=5, max_size=5),
)
def test_faults_are_slopes_too_far_and_an_output_that_grows(off, c):
    found = np.add(off, c)
    named = {line.split()[0] for line in faults(result(found, c)) if "unstable" not in line}
    assert named == {
        q for q, slope, x in zip(QUANTITIES, found, c, strict=True) if abs(slope - x) > 0.15
    }
    assert any("unstable" in line for line in faults(result(found, c))) == (found[1] > 0.15)


def test_no_slope_is_a_fault_where_one_is_predicted():
    zero = -math.inf
    assert not faults(result([0, 0, zero, 0, 0], [0, 0, zero, 0, 0]))
    for bad in (zero, math.inf, math.nan):
        assert len(faults(result([bad, 0, 0, 0, 0], [0] * 5))) == 1
    assert len(faults(result([0, 0, 0, 0, 0], [0, 0, zero, 0, 0]))) == 1
    # an output that grows as it should according to theory is unstable all the same
    assert faults(result([0.5, 0.5, 0.5, 0, 0], [0.5, 0.5, 0.5, 0, 0])) == [
        "unstable: Z_B grows with width, slope 0.50"
    ]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A run store of its own, and one process."""
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LORALAB_JOBS", "1")


SMALL = ["--widths", "64", "128", "256", "--seeds", "2"]


def test_lora_plus_agrees(tmp_path, capsys):
    assert main([*SMALL, "--lr-exponents", "-1", "0", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "every slope is within 0.15" in said
    numbers = json.loads((tmp_path / "coord_check.json").read_text())
    assert numbers["agrees"]
    assert numbers["settings"]["widths"] == [64, 128, 256]
    assert np.array(numbers["slopes"], float).shape == (2, 14, 5, 6)
    assert len(numbers["sizes"]) == 3
    assert numbers["predicted"][0] == [0, 0, None, 0, None]  # A has no gradient at the first step
    assert numbers["predicted"][-1] == [0] * 5
    assert (tmp_path / "coord_check.png").read_bytes().startswith(b"\x89PNG")


def test_the_deliberate_failure_is_caught(tmp_path, capsys):
    assert (
        main(
            [*SMALL, "--scheme", "init_b", "--lr-exponents", "-0.5", "-0.5", "--out", str(tmp_path)]
        )
        == 1
    )
    assert "unstable: Z_B grows with width" in capsys.readouterr().out


def test_a_diverged_model_fails_and_is_written(tmp_path, capsys):
    arguments = ["--widths", "64", "128", "--seeds", "1", "--rate", "1e30", "--steps", "3"]
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    assert "infinite" in capsys.readouterr().out
    assert json.loads((tmp_path / "coord_check.json").read_text())["agrees"] is False


def test_a_configuration_file_is_read(tmp_path, capsys):
    transformers.GPT2Config(**{k: v for k, v in GPT2.items() if k != "model_type"}).save_pretrained(
        tmp_path
    )
    arguments = [
        "--widths",
        "48",
        "96",
        "--seeds",
        "1",
        "--steps",
        "3",
        "--blocks",
        "1",
        "--out",
        str(tmp_path),
    ]
    for source in (tmp_path, tmp_path / "config.json"):
        assert main(["--model-config", str(source), *arguments]) in (0, 1)
        assert "gpt2, init_a" in capsys.readouterr().out
        assert (
            "h.0.mlp.c_fc" in json.loads((tmp_path / "coord_check.json").read_text())["sizes"][0][0]
        )


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--nonsense", "1"], "unknown flag --nonsense"),
        (["--scheme", "init_c"], "--scheme must be one of init_a"),
        (["--widths", "128"], "at least two"),
        (["--widths", "256", "128"], "increasing"),
        (["--widths", "100", "200"], "multiple of 16, got 100"),
        (["--steps", "2"], "--steps must be at least 3"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--rate", "nan"], "--rate must be positive"),
        (["--model-config", "no-such-model"], "neither a file or folder"),
        (["--model-config", "README.md"], "is no configuration of transformers"),
        (["--model-config", "t5"], "encoder with a decoder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_is_one_sentence(flags, complaint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    try:
        code = main([*flags, "--out", str(tmp_path / "none")])
    except SystemExit as end:  # what tyro refuses itself
        code = end.code
    said = " ".join(capsys.readouterr().err.split())
    assert code == 2
    assert complaint in said
    assert "Traceback" not in said
    assert not (tmp_path / "none").exists()


def test_it_is_a_program():
    done = subprocess.run(
        [sys.executable, "scaling/coord_check.py", "--model-config", "no-such-model"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --model-config no-such-model is neither")


def test_without_transformers_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(optional, "transformers", lambda: False)
    assert main([]) == 2
    assert "pip install 'loralab[llm]'" in capsys.readouterr().err


def test_the_defaults_are_the_largest_stable_rate():
    assert Config().lr_exponents is None
    assert Config().scheme == "init_a"
