"""The trials beside PEFT, each on one problem."""

import sys

import pytest

from proxies.families.gradient_signal.trials import defects, released


def test_missing_peft_is_an_import_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"pip install 'loralab\[llm\]', or pass --no-peft"):
        released.parity(1000)


def test_peft_gives_the_same_rows_and_ranks_where_it_keeps_all_components():
    found = released.parity(1000)
    assert found["distance"] < 1e-4, "float32 sums of 1024 tokens; measured 4e-6"
    assert found["ranks"] == 0
    assert found["distance at rho 2"] > 1e-3


def test_unseen_tokens_vary_more_along_the_librarys_rows():
    found = released.held_out(1000)
    assert found["beyond"] == 0, "a forward pass for each batch"
    assert min(found["ratios"]) > 0.995
    assert sum(found["ratios"]) > len(found["ratios"])


def test_the_library_keeps_what_it_promises():
    found = defects.safety(1000)
    assert found.pop("scale") < 1e-12
    assert found.pop("variance") < 1e-6, "float64 rows on float32 sums; measured 3e-8"
    assert found == {"masked batch": 0, "refused": 1, "batches": 20}


def test_peft_has_its_four_defects():
    found = defects.peft_defects(1000)
    assert found["scale"] > 1.1
    assert found["whitened"] < 0.5
    assert found["wrong width"] > 0
    assert found["forwards"] == 301
