"""The trials beside PEFT, each on one problem."""

import sys
from collections.abc import Iterable

import numpy as np
import pytest

import lora
from proxies.families.gradient_signal.trials import defects, released
from proxies.families.gradient_signal.trials.llamas import (
    PARTS,
    SMALL,
    Batch,
    layers_of,
    llama,
    masked,
    text,
)


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


def safety(seed: int) -> dict[str, float]:
    """The library's numbers: zero, or the count that is allowed, where it does as it says."""
    batches = text(8, 4, 64, seed)
    scales, variances = [], []
    for stabilised in (False, True):
        model = llama(*SMALL, seed)
        options = {"rho": 2.0, "whiten": True}
        config = lora.Config(
            8, 8.0, PARTS, scheme="eva", scheme_options=options, rank_stabilized=stabilised
        )
        lora.attach(model, config, batches)
        wanted = 8**0.5 if stabilised else 1.0
        scales += [abs(layer.scale / wanted - 1) for layer in lora.adapters(model).values()]
        stats = lora.collect(llama(*SMALL, seed), list(lora.adapters(model)), batches)
        for name, layer in lora.adapters(model).items():
            A = layer.A.detach().double()
            variances += (A @ stats[name].covariance @ A.mT).diagonal().tolist()
    model = llama(*SMALL, seed)
    empty = masked(batches[0])
    plain = lora.collect(model, layers_of(model), batches)
    skipped = lora.collect(model, layers_of(model), [empty, *batches])
    change = [
        float((skipped[n].covariance - s.covariance).norm() / s.covariance.norm())
        for n, s in plain.items()
    ]
    try:
        lora.collect(model, layers_of(model), [empty])
        refused = 0
    except ValueError:
        refused = 1
    limited = lora.collect(model, layers_of(model), _endless(batches), max_batches=20)
    counted = next(iter(limited.values())).count
    return {
        "scale": max(scales),
        "variance": float(np.abs(np.array(variances) - 1).max()),
        "masked batch": max(change),
        "refused": float(refused),
        "batches": counted / batches[0]["input_ids"].numel(),
    }


def _endless(batches: list[Batch]) -> Iterable[Batch]:
    while True:
        yield from batches


def test_the_library_keeps_what_it_promises():
    found = safety(1000)
    assert found.pop("scale") < 1e-12
    assert found.pop("variance") < 1e-6, "float64 rows on float32 sums; measured 3e-8"
    assert found == {"masked batch": 0, "refused": 1, "batches": 20}


def test_peft_has_its_four_defects():
    found = defects.peft_defects(1000)
    assert found["scale"] > 1.1
    assert found["whitened"] < 0.5
    assert found["wrong width"] > 0
    assert found["forwards"] == 301
