"""README.md beside an adapter, and what else a save tells."""

import subprocess
import sys
import warnings
from typing import Any

import pytest
from torch import nn

import lora
from lora import Config
from tests.support.models import gpt2, shake, small


def adapted(rank: int = 2, **options: Any) -> nn.Module:
    model = small()
    lora.attach(model, Config(rank=rank, **options))
    return shake(model)


def test_the_card_says_what_the_adapter_is(tmp_path):
    model = adapted(scheme="pissa", modules_to_save=["head"], rank_pattern={"up": 3})
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in model.parameters())
    lora.save(model, tmp_path)
    card = (tmp_path / "README.md").read_text()
    for line in (
        "library_name: peft",
        "| base model | `Small` |",
        "| initialization | `pissa` |",
        "| variant | `plain` |",
        "| adapted layers | 2 |",
        "| rank | 2 to 3 |",
        "| rank as saved | 4 to 6 |",
        f"| trained parameters | {trained:,} of {total:,} |",
        "| modules saved whole | `head` |",
        "lora.load(model, folder)",
        "PeftModel.from_pretrained(model, folder)",
    ):
        assert line in card
    assert "base_model:" not in card


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("openai-community/gpt2", True),
        ("gpt2", True),
        ("/models/secret", False),
        ("./here", False),
        ("a\nlicense: mit", False),
        ("a: b", False),
        ("../up", False),
    ],
)
def test_the_base_model_is_named_where_the_name_is_one_of_the_hub(tmp_path, name, shown):
    model = gpt2()
    model.name_or_path = name
    lora.attach(model, Config(rank=2))
    lora.save(model, tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert (f"base_model: {name}\n" in card) is shown
    assert shown or name not in card


def test_a_path_on_this_machine_is_not_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").mkdir()
    test_the_base_model_is_named_where_the_name_is_one_of_the_hub(tmp_path / "a", "gpt2", False)


def test_a_card_is_renewed_until_someone_edits_it(tmp_path):
    card = tmp_path / "README.md"
    lora.save(adapted(), tmp_path)
    first = card.read_text()
    lora.save(adapted(rank=3), tmp_path)
    assert "| rank | 3 |" in card.read_text() != first
    card.write_text(edited := card.read_text().replace("# LoRA adapter", "# For my thesis"))
    lora.save(adapted(rank=1), tmp_path)
    assert card.read_text() == edited


@pytest.mark.parametrize(
    "text", ["", "mine", "x\n<!-- written by lora.save, checksum 00000000 -->\n"]
)
def test_a_readme_of_someone_else_s_is_left_alone(tmp_path, text):
    (tmp_path / "README.md").write_text(text)
    lora.save(adapted(), tmp_path)
    assert (tmp_path / "README.md").read_text() == text


def test_a_link_or_a_folder_is_left_alone(tmp_path):
    for name, make in {
        "link": lambda path: path.symlink_to(tmp_path / "nowhere"),
        "folder": lambda path: path.mkdir(),
    }.items():
        (tmp_path / name).mkdir()
        make(tmp_path / name / "README.md")
        lora.save(adapted(), tmp_path / name)
        assert not (tmp_path / name / "README.md").is_file()
    assert not (tmp_path / "nowhere").exists()


def test_the_version_is_had_without_the_laboratory(tmp_path):
    code = (
        "import sys, torch, lora\n"
        "model = torch.nn.Sequential(torch.nn.Linear(3, 3))\n"
        "lora.attach(model, lora.Config(rank=1)); lora.save(model, sys.argv[1])\n"
        "print({'loralab', 'transformers', 'peft'} & sys.modules.keys())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"
    assert "| library | loralab " in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("options", "added"),
    [
        ({}, 0),
        ({"scheme": "pissa"}, 2),
        ({"variant": "dash", "variant_options": {"directions": 3}}, 3),
        ({"variant": "dash", "variant_options": {"directions": 1}, "scheme": "milora"}, 3),
        ({"variant": "op_dora", "scheme": "olora"}, 2),
    ],
    ids=str,
)
def test_the_report_says_the_rank_that_is_saved(tmp_path, options, added):
    model = small()
    report = lora.attach(model, Config(rank=2, **options))
    for row in report.layers:
        assert row.saved_rank == 2 + added
        assert row.saved_rank == len(lora.adapters(model)[row.name].exported().A)
    assert (f"rank 2 (saved as {2 + added})" in str(report)) is (added > 0)


DASH = {"variant": "dash", "variant_options": {"directions": 2}}


def test_dash_that_was_never_launched_says_so_once(tmp_path):
    with pytest.warns(
        UserWarning, match=r"up \(3 such layers\) was trained but never launched"
    ) as w:
        lora.save(adapted(**DASH), tmp_path)
    assert len(w) == 1
    with pytest.warns(UserWarning, match="never launched"):
        lora.save(adapted(**DASH, scheme="pissa"), tmp_path)


@pytest.mark.parametrize("scheme", ["init_a", "pissa"])
def test_dash_that_was_launched_or_not_trained_says_nothing(tmp_path, scheme):
    model = small()
    lora.attach(model, Config(rank=2, scheme=scheme, **DASH))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lora.save(model, tmp_path)
        shake(model)
        lora.launch(model)
        lora.save(model, tmp_path)
