"""The batteries see the faults that they are there for: each is planted here, and found."""

import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("peft")

import lora
from lora import Config
from tests.fuzz import config_and_attach, kill, load
from tests.fuzz.adapters import CONFIG, WEIGHTS, image
from tests.fuzz.battery import run
from tests.fuzz.command_line import judge as judge_command
from tests.fuzz.command_lines import Line
from tests.fuzz.damage import Damaged, without_record
from tests.fuzz.judge import Judged, Outcome, difference, snapshot, unclear, unclear_text
from tests.fuzz.load import Shared, prepare
from tests.fuzz.oracle import contradiction

pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = (CONFIG, "rank")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (KeyError("r"), "KeyError where"),
        (TypeError("rank is not a number, as it must be"), "TypeError where"),
        (ValueError("'int' object is not iterable"), "raw words"),
        (ValueError("rank: 'int' object is not iterable"), "raw words"),
        (ValueError("Expecting value: line 1 column 1 (char 0)"), "names no file"),
        (ValueError("Expecting value: line 1 of adapter_config.json"), "before it names"),
        (ValueError("rank: init_a() got an unexpected keyword argument 'rho'"), "raw words"),
        (ValueError("bad rank"), "no sentence"),
        (ValueError("rank must be positive,\nbut is 0"), "more than one line"),
        (ValueError("the value must be positive, got 0"), "names no file"),
        (ValueError(f"rank must be positive, got {'9' * 5000}"), "characters"),
        (OSError(2, "No such file or directory", CONFIG), "before it names"),
    ],
    ids=str,
)
def test_an_unclear_error_is_told(error, why):
    assert why in (unclear(error, NAMES) or "nothing")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("rank must be a positive integer, got 0"),
        ValueError("adapter_config.json is not JSON: Expecting value: line 1 column 1 (char 0)"),
        FileNotFoundError("there is no adapter_config.json in the folder"),
        ValueError("adapter_config.json is damaged ('int' object is not iterable)"),
        OSError("adapter_config.json cannot be read: [Errno 22] Invalid argument"),
    ],
    ids=str,
)
def test_a_clear_error_is_taken(error):
    assert unclear(error, NAMES) is None


def test_a_name_is_a_whole_word():
    assert unclear_text("the layers are entirely frank about it", ("rank", "tie")) is not None


CHANGES = {
    "a bit": lambda model: model[0].weight.data.view(torch.uint8)[0, 0].add_(1),
    "requires_grad": lambda model: model[0].weight.requires_grad_(False),
    "a gradient": lambda model: model(torch.ones(1, 2)).sum().backward(),
    "a mode": lambda model: model[1].train(not model[1].training),
    "a hook": lambda model: model[0].register_forward_hook(print),
    "a module": lambda model: setattr(model, "0", torch.nn.Linear(2, 2)),
    "a parameter": lambda model: setattr(
        model[0], "weight", torch.nn.Parameter(model[0].weight.detach().clone())
    ),
    "an attribute": lambda model: setattr(model, "_lora_attached", 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_told(change):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    before = snapshot(model)
    assert difference(before, snapshot(model)) is None
    CHANGES[change](model)
    assert difference(before, snapshot(model)) is not None


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Shared:
    return prepare(tmp_path_factory.mktemp("kinds"))


def test_every_kind_is_what_its_two_files_say(shared, tmp_path):
    """The oracle, which knows nothing of this library, agrees with it where nothing is damaged."""
    for name, kind in shared.kinds.items():
        files = without_record(kind).files
        for file, content in files.items():
            (tmp_path / file).write_bytes(content)
        model = kind.build()
        lora.load(model, tmp_path)
        assert contradiction(model, kind.build(), files, set()) is None, name


@pytest.mark.parametrize("key", ["lora_alpha", "r", "lora_dropout", "use_rslora"])
def test_files_that_say_something_else_contradict(shared, tmp_path, key):
    kind = shared.kinds["PEFT plain"]
    for file, content in kind.files.items():
        (tmp_path / file).write_bytes(content)
    model = kind.build()
    lora.load(model, tmp_path)
    values = load.damage.json.loads(kind.files[CONFIG])
    values[key] = {"lora_alpha": 7, "r": 1, "lora_dropout": 0.2, "use_rslora": True}[key]
    files = kind.files | {CONFIG: load.damage.dumped(values).encode()}
    assert contradiction(model, kind.build(), files, set()) is not None


def raw(model, folder):
    raise KeyError("r")


def changing(model, folder):
    model.train()
    raise ValueError(f"{folder}/{WEIGHTS} is damaged")


def wrong(model, folder):
    report = REAL(model, folder)
    next(iter(lora.adapters(model).values())).scale *= 1.01
    return report


def untrained(model, folder):
    report = REAL(model, folder)
    model.requires_grad_(False)
    return report


def endless(model, folder):
    while True:
        time.sleep(0.01)


REAL = lora.load


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (raw, Outcome.UNCLEAR),
        (changing, Outcome.CHANGED),
        (wrong, Outcome.WRONG),
        (untrained, Outcome.WRONG),
        (endless, Outcome.HUNG),
    ],
)
@pytest.mark.parametrize("name", ["pissa", "PEFT dora"])
def test_a_faulty_load_is_told(shared, monkeypatch, tmp_path, fault, outcome, name):
    monkeypatch.setattr(lora, "load", fault)
    kind = shared.kinds[name]

    def case(shared: Shared, rng: random.Random, index: int, folder: Path) -> Judged:
        return load.judge(shared, kind, Damaged("none", kind.files), "", "", folder / "adapter")

    battery = replace(load.BATTERY, prepare=lambda _: shared, case=case, limit=0.3)
    assert Counter(one.outcome for one in run(battery, 1).judged.values()) == {outcome: 1}


def test_a_process_that_dies_is_a_bad_case_and_the_others_go_on():
    def case(shared: None, rng: random.Random, index: int, folder: Path) -> Judged:
        if index == 3:
            load.sys.stdout.flush()
            kill.os.kill(kill.os.getpid(), kill.signal.SIGKILL)
        return Judged("any", Outcome.RIGHT, "")

    battery = replace(load.BATTERY, prepare=lambda _: None, case=case)
    result = run(battery, 10, jobs=2)
    assert list(result.bad) == [3]
    assert result.complete


def test_an_attach_that_moves_the_base_weight_is_told(monkeypatch, tmp_path):
    real = lora.attach

    def moving(model, *arguments, **more):
        report = real(model, *arguments, **more)
        base: Any = next(iter(lora.adapters(model).values())).base_layer
        with torch.no_grad():
            base.weight.mul_(1 + 1e-6)
        return report

    request = config_and_attach.Request("", "", {"rank": 1})
    assert config_and_attach.asked(request, tmp_path).outcome is Outcome.RIGHT
    monkeypatch.setattr(lora, "attach", moving)
    assert config_and_attach.asked(request, tmp_path).outcome is Outcome.WRONG


class Late(random.Random):
    """The kill comes after a second."""

    def uniform(self, a: float, b: float) -> float:
        return 1.0


def test_a_save_that_writes_the_settings_before_the_weights_is_told(monkeypatch, tmp_path):
    real, shared = lora.save, kill.prepare(tmp_path)

    def torn(model, folder):
        real(model, aside := tmp_path / "aside")
        over = (folder / CONFIG).exists()
        folder.mkdir(exist_ok=True)
        kill.os.replace(aside / CONFIG, folder / CONFIG)
        time.sleep(60 * over)
        kill.os.replace(aside / WEIGHTS, folder / WEIGHTS)

    monkeypatch.setattr(lora, "save", torn)
    (tmp_path / "0").mkdir()
    judged = kill.case(shared, Late(), 0, tmp_path / "0")
    assert (judged.outcome, judged.detail) == (Outcome.WRONG, "stock PEFT reads neither adapter")


@pytest.mark.parametrize(
    ("code", "err", "after", "outcome"),
    [
        (2, "error: rank must be positive, got 0\n", {}, Outcome.REFUSED),
        (0, "", {}, Outcome.WRONG),
        (1, "error: rank must be positive, got 0\n", {}, Outcome.UNCLEAR),
        (2, "╭─ Parsing error ─╮\n│ rank │\n", {}, Outcome.UNCLEAR),
        (2, "error: rank must be positive\nand more\n", {}, Outcome.UNCLEAR),
        (2, "error: rank must be positive, got 0\n", {"run": "folder"}, Outcome.CHANGED),
        (2, "error: rank must be positive, got 0\n", {"run/my notes.txt": ""}, Outcome.CHANGED),
        (2, "error: 'int' object is not iterable\n", {}, Outcome.UNCLEAR),
    ],
)
def test_a_command_is_judged_by_code_sentence_and_files(code, err, after, outcome):
    before = {"run/my notes.txt": "a", "train.jsonl": "b"}
    line = Line("", ("finetune", "--rank", "0"))
    assert judge_command(line, code, "", err, before, before | after).outcome is outcome


def test_an_image_tells_what_is_trained(shared):
    first, second = shared.kinds["plain"].build(), shared.kinds["plain"].build()
    images = []
    for model, train_a in ((first, True), (second, False)):
        report = lora.attach(model, Config(rank=1, train_a=train_a))
        images.append(image(model, report))
    assert images[0]["function"] == images[1]["function"]
    assert images[0]["trained split"] != images[1]["trained split"]
