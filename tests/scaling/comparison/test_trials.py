"""The memory of a trial is its own, whatever ran in the process before."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from transformers import AutoModelForCausalLM

import lora
from scaling.comparison import trials
from scaling.core import state
from scaling.core.config import Config
from tests.support.finetuning import tiny_llama
from tests.support.text_rows import WORDS, rows

MANY = 256 * 2**20
PIECE = 4096


class Ring:
    """What only the garbage collector frees."""

    def __init__(self, size: int) -> None:
        self.own, self.held = self, np.ones(size, np.uint8)


def cycle() -> None:
    Ring(MANY)


def holes() -> list[bytearray]:
    """Freed heap below a piece that is still used."""
    pieces = [bytearray(PIECE) for _ in range(MANY // PIECE)]
    return pieces[-1:]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells of peaks")
@pytest.mark.parametrize("leave", [cycle, holes])
def test_a_trial_s_memory_is_without_what_the_one_before_has_left(leave):
    trials._forget_peak()
    kept = leave()
    before = trials._peak()
    trials._forget_peak()
    after = trials._peak()
    assert before is not None
    assert after is not None
    assert before - after > MANY / 2, "most of it is given back"
    del kept


@pytest.fixture
def settings(tmp_path, monkeypatch) -> dict[str, Any]:
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    (tmp_path / "data.jsonl").write_text(rows(32))
    named = {"model": tiny_llama(tmp_path / "model", WORDS)}
    named |= dict.fromkeys(("train", "test"), tmp_path / "data.jsonl")
    return Config.of(
        task="causal_lm",
        **{name: str(path) for name, path in named.items()},
        **{"steps": 3, "batch": 4, "length": 12, "limit": 2, "lr": 0.01, "remember": "none"},
        task_options={"samples": 0},
    ).as_json()


def kept_initial(home: Path) -> list[Path]:
    return sorted((home / "runs" / "initial").glob("*/*/*"))


@pytest.mark.parametrize(
    ("scheme", "variant"), [("eva", "plain"), ("lora_one", "plain"), ("lora_ga", "dora")]
)
def test_runs_that_differ_in_their_learning_rate_share_an_initialization(
    settings, tmp_path, monkeypatch, scheme, variant
):
    """It is made once, and a run that reads it is the run that makes it, bit for bit."""
    own = settings | {"scheme": scheme, "variant": variant, "rank": 2}
    made = []
    attach = lora.attach
    monkeypatch.setattr(lora, "attach", lambda *given: made.append(1) or attach(*given))
    alone = trials.fine_tuned(own | {"lr": 0.02}, None)
    for folder in (tmp_path / "runs").iterdir():
        shutil.rmtree(folder)
    trials.fine_tuned(own, None)
    assert len(made) == 2
    [file] = kept_initial(tmp_path)
    after = trials.fine_tuned(own | {"lr": 0.02}, None)
    assert len(made) == 2, "read, and not made again"
    assert after["losses"] == alone["losses"]
    assert after["scores"] == alone["scores"]
    trials.fine_tuned(own | {"seed": 1}, None)
    assert len(made) == 3, "another seed has another one"
    file.write_bytes(b"nothing")
    shutil.rmtree(trials.folder_of(own, None))
    assert "losses" in trials.fine_tuned(own, None)
    assert len(made) == 4, "and one that cannot be read is made again"
    assert state.read(file.parent)[0] is not None
    data = tmp_path / "data.jsonl"
    data.write_text("".join(data.read_text().splitlines(keepends=True)[::-1]))
    shutil.rmtree(trials.folder_of(own, None))
    trials.fine_tuned(own, None)
    assert len(made) == 5, "other data have another one, at the same path"
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.mul_(1.01)
    model.save_pretrained(tmp_path / "model")
    shutil.rmtree(trials.folder_of(own, None))
    trials.fine_tuned(own, None)
    assert len(made) == 6, "and another base model"


@pytest.mark.parametrize("own", [{}, {"scheme": "pissa"}, {"variant": "full"}])
def test_an_initialization_without_data_is_not_kept(settings, tmp_path, own):
    trials.fine_tuned(settings | own, None)
    assert not kept_initial(tmp_path)
