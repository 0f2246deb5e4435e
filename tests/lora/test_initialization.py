"""What `attach` learns from data, without attaching."""

import pytest
import torch

import lora
from lora import SCHEMES, Config
from lora.initialization import statistics_for
from tests.support.models import TOKENS, data_for, llama, photograph, small

NEEDY = [name for name, scheme in SCHEMES.items() if scheme.needs_data]


@pytest.mark.parametrize("scheme", NEEDY)
def test_attach_by_these_statistics_is_attach_by_the_batches(scheme):
    config = Config(rank=2, scheme=scheme)
    ours, theirs = llama(), llama()
    before = photograph(ours)
    statistics = statistics_for(ours, config, **data_for(ours))
    assert photograph(ours) == before
    lora.attach(ours, config, stats=statistics)
    lora.attach(theirs, config, **data_for(theirs))
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_a_scheme_without_data_reads_no_batch():
    def never():
        raise AssertionError("the data is not read")
        yield

    model, config = small(), Config(rank=2, scheme="pissa")
    statistics = statistics_for(model, config, never())
    assert statistics == {}
    lora.attach(model, config, stats=statistics)


def test_errors_are_those_of_attach():
    with pytest.raises(ValueError, match=r"unknown argument 'max_batch'; lora.collect takes"):
        statistics_for(llama(), Config(scheme="eva"), [TOKENS], max_batch=1)
    config = Config(scheme="eva", target_modules=("up", "embed"))
    with pytest.raises(ValueError, match="embed is an embedding, whose inputs are indices"):
        statistics_for(small(), config, [])
