"""The table of methods on a language model, from what the study recorded."""

import json

import pytest

from loralab.claims import Measured
from loralab.report.language import beside, comparison
from scaling.studies import tables
from tests.support.worlds.language import FORGOTTEN, TRAINED, over, world


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.03, 1.1, "better by more than 2 %"),
        (1.01, 1.1, "better"),
        (0.9, 1.1, "undecided"),
        (0.99, 1.01, "within 2 %"),
        (1.001, 1.01, "within 2 %"),
        (0.9, 0.99, "worse"),
        (0.9, 0.97, "worse by more than 2 %"),
    ],
)
def test_the_interval_alone_says_where_a_method_lies(low, high, words):
    assert beside(Measured((low + high) / 2, low, high), 0.02) == words


@pytest.fixture(scope="module")
def found():
    return comparison(json.loads(json.dumps(tables.language(world()))))


def test_every_number_is_of_its_method(found):
    assert {m.name for m in found.methods} == TRAINED.keys()
    for method in found.methods:
        assert method.parameters == str(TRAINED[method.name])
        if method.name != "LoRA":
            assert float(method.gain.split()[0]) == pytest.approx(over(method.name), rel=0.01)
    eva = next(m for m in found.methods if m.name == "EVA")
    assert float(eva.forgotten) == pytest.approx(FORGOTTEN["EVA"], abs=1e-3)


def test_the_best_is_first_and_lora_is_the_reference(found):
    gains = [over(m.name) if m.name != "LoRA" else 1 for m in found.methods]
    assert gains == sorted(gains, reverse=True)
    lora = next(m for m in found.methods if m.name == "LoRA")
    assert (lora.gain, lora.bar, lora.margin, lora.steps) == ("", "", "", "")
    assert found.counts.total() == len(found.methods) - 1


def test_all_bars_have_one_axis(found):
    labels = {m.bar.partition("<text")[2] for m in found.methods if m.bar}
    assert len(labels) == 1
