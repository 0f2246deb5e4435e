"""What `attach` learns from data, without attaching."""

import inspect
from typing import Any

import pytest
import torch
from torch import nn

import lora
from lora import SCHEMES, Config
from lora.initialization import statistics_for
from lora.stopping import TOLERANCE
from tests.support.models import IDS, TOKENS, data_for, llama, photograph, small

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


def never() -> Any:
    """Batches that must not be read."""
    raise AssertionError("a batch was read")
    yield


def loss(model: nn.Module, batch: Any) -> torch.Tensor:
    return model(batch).square().mean()


def square(**options: Any) -> Config:
    """For a scheme that takes the inputs or gradients of layers 12 x 16 and 16 x 12."""
    return Config(**{"rank": 2, "scheme": "eva", "target_modules": ("up", "down")} | options)


IMPOSSIBLE = {
    "unknown option": (square(scheme_options={"bogus": 1}), "eva has no option 'bogus'"),
    "misspelt option": (
        square(scheme_options={"centre": True}),
        "eva has no option 'centre'; did you mean 'center'?",
    ),
    "sharing of another scheme": (
        square(scheme="corda", scheme_options={"rho": 2.0}),
        "corda has no option 'rho'; it has mode, damping",
    ),
    "no options": (
        square(scheme="lora_one", scheme_options={"steps": 2}),
        "lora_one has no option 'steps'; it has gamma",
    ),
    "a word for a bool": (
        square(scheme_options={"center": "no"}),
        "eva: center must be True or False, got 'no'",
    ),
    "wrong mode": (
        square(scheme="corda", scheme_options={"mode": "kpn"}),
        'corda: mode must be "ipm", "kpm" or "sqrt", got \'kpn\'',
    ),
    "a list for a mode": (
        square(scheme="tsd_init", scheme_options={"mode": ["rate"]}),
        r'tsd_init: mode must be "rate" or "abs", got \[\'rate\'\]',
    ),
    "zero": (
        square(scheme="lora_ga", scheme_options={"gamma": 0}),
        "lora_ga: gamma must be positive and finite, got 0",
    ),
    "a word for a number": (
        square(scheme="nystrom_grad", scheme_options={"xi": "1"}),
        "nystrom_grad: xi must be positive and finite, got '1'",
    ),
    "True for a number": (
        square(scheme="corda", scheme_options={"damping": True}),
        "corda: damping must be positive and finite, got True",
    ),
    "rank": (
        square(rank_pattern={"down": 13}),
        r"down: rank must be an integer from 1 to min\(out, in\) = 12, got 13",
    ),
    "rank beside rho": (
        square(rank=13, scheme_options={"rho": 2.0}),
        r"up: rank must be an integer from 1 to min\(out, in\) = 12, got 13",
    ),
    "2 r": (
        square(scheme="lora_ga", rank_pattern={"down": 7}),
        r"down: lora_ga takes 2 r singular pairs, so rank must be at most .* = 6, got 7",
    ),
    "directions": (
        square(variant="dash", variant_options={"directions": 13}),
        r"up: directions must be at most min\(out, in\) = 12, got 13",
    ),
    "directions of tsd": (
        square(scheme="tsd_init", variant="tsd", variant_options={"directions": 20}),
        r"up: directions must be at most min\(out, in\) = 12, got 20",
    ),
    "rho": (square(scheme_options={"rho": 0.5}), "rho must be a finite number of at least 1"),
    "per_parameter": (
        square(scheme="gradient_signal", scheme_options={"per_parameter": 1}),
        "per_parameter must be True or False, got 1",
    ),
    "target": (square(target_modules=("upp",)), "target_modules: the model has no module 'upp'"),
    "layers of rank 0": (square(rank_pattern={".*": 0}), "every layer has rank 0"),
    "an embedding": (square(target_modules=("embed",)), "embed is an embedding, whose inputs"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_is_impossible_is_refused_before_a_batch_is_read(case):
    config, message = IMPOSSIBLE[case]
    model = small()
    before = photograph(model)
    for learn in (lora.attach, statistics_for):
        with pytest.raises(ValueError, match=f"^{message}"):
            learn(model, config, never(), loss)
        assert photograph(model) == before


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (square(scheme="pissa", scheme_options={"exact": 1}), "exact must be True or False, got 1"),
        (square(scheme="nystrom", scheme_options={"side": "up"}), 'side must be "in" or "out"'),
        (square(scheme="init_a", scheme_options={"rho": 2.0}), "has no option 'rho'; it has none"),
        (square(scheme="orthogonal", rank=13), "^up: rank must be an integer from 1 to"),
    ],
    ids=str,
)
def test_a_scheme_without_data_is_checked_alike(config, message):
    model = small()
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.attach(model, config)
    with pytest.raises(ValueError, match=message):
        statistics_for(model, config, never())
    assert photograph(model) == before


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_knows_its_options_without_data(scheme):
    """What the check lets pass the rule takes, and what it refuses is in no signature."""
    row = SCHEMES[scheme]
    with pytest.raises(ValueError, match=f"{scheme} has no option 'bogus'"):
        row.check_options({"bogus": 1})
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(row.rule).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    row.check_options(defaults)
    for name, value in defaults.items():
        with pytest.raises(ValueError, match=f"{scheme}: {name} must be"):
            row.check_options({name: None})
        with pytest.raises(ValueError, match=f"{scheme}: {name} must be"):
            row.check_options({name: [value]})
    row.check_rank(5 // row.pairs, (6, 5))
    with pytest.raises(ValueError, match="rank must be"):
        row.check_rank(5 // row.pairs + 1, (6, 5))


class Raised(Exception):
    """The user's own."""


def test_an_exception_of_the_user_s_own_passes_through_as_it_is():
    def batches() -> Any:
        yield IDS
        raise Raised("in the batches")

    def wrong_loss(model: nn.Module, batch: Any) -> torch.Tensor:
        raise Raised("in the loss")

    class Wrong(type(small())):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            raise Raised("in the forward")

    for model, given, loss_fn, where in (
        (small(), batches(), loss, "in the batches"),
        (small(), [IDS], wrong_loss, "in the loss"),
        (Wrong().eval(), [IDS], None, "in the forward"),
    ):
        before = photograph(model)
        with pytest.raises(Raised, match=where):
            lora.attach(model, square(scheme="eva"), given, loss_fn)
        assert photograph(model) == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batches": 5}, "batches must be an iterable of batches, got int"),
        ({"batches": "text"}, "batches must be an iterable of batches, got str"),
        (
            {"batches": {"ids": IDS}},
            r"batches must be an iterable of batches, got dict; for one batch pass \[batch\]",
        ),
        ({"batches": [None]}, "batches: batch 0 is a NoneType"),
        ({"batches": [IDS, 7]}, "batches: batch 1 is a int"),
        ({"batches": ["ids"]}, "batches: batch 0 is a str"),
        (
            {"batches": [{"wrong": IDS}]},
            "batches: batch 0 does not fit the model's forward: missing .* 'ids'",
        ),
        (
            {"batches": [{"ids": IDS, "more": IDS}]},
            "batches: batch 0 does not fit the model's forward: got an unexpected .* 'more'",
        ),
        ({"batches": [{1: IDS}]}, "batches: batch 0 does not fit the model's forward"),
        ({"batches": [(IDS, IDS)]}, "batches: batch 0 does not fit the model's forward: too many"),
        ({"batches": [IDS], "max_tokens": "a"}, "max_tokens must be at least 1 and .*, got 'a'"),
        ({"batches": [IDS], "max_batches": 1.5}, "max_batches must be at least 1 and .*, got 1.5"),
        ({"batches": [IDS], "axes": True}, "axes must be at least 1 and .*, got True"),
        ({"batches": [IDS], "axes": 2, "tolerance": "a"}, "tolerance must be positive, .*got 'a'"),
        ({"batches": [IDS], "label_mask": 1}, "label_mask must be True or False, got 1"),
        ({"batches": [IDS], "loss_fn": 3}, r"loss_fn must be a function .*, got int"),
        ({"batches": [IDS], "weights": 3}, r"weights must be a function .*, got int"),
        (
            {"batches": [IDS], "weights": lambda batch: None},
            "weights must return a tensor, got NoneType",
        ),
        ({"stats": 3}, "stats must be a mapping from layer names to lora.Statistics, got int"),
        ({"stats": {"up": 3, "down": 3}}, "up: stats must hold lora.Statistics, got int"),
    ],
)
def test_a_malformed_argument_is_named(given, message):
    model = small()
    before = photograph(model)
    with pytest.raises(ValueError, match=f"^{message}"):
        lora.attach(model, square(), **given)
    assert photograph(model) == before


def rows_without_end(drawn: list[int]):
    """Of a spectrum so steep that a few batches find its axes."""
    rng = torch.Generator().manual_seed(1000)
    while True:
        drawn.append(1)
        yield torch.randn(400, 6, generator=rng) * torch.logspace(0, -4, 6)


@pytest.mark.parametrize("scheme", ["eva", "corda"])
def test_a_pass_for_leading_axes_ends_where_tokens_gain_little(scheme, monkeypatch):
    model, config = nn.Sequential(nn.Linear(6, 4)), Config(rank=2, scheme=scheme)

    def batches_read(**keywords: Any) -> int:
        drawn: list[int] = []
        found = statistics_for(model, config, rows_without_end(drawn), max_batches=64, **keywords)[
            "0"
        ]
        assert found.count == 400 * len(drawn)
        if len(drawn) < 64:
            assert found.capture_loss is not None
            assert found.capture_loss <= TOLERANCE
        return len(drawn)

    # corda reads all of the second moment, so that leading axes tell nothing
    assert batches_read() == 64 if scheme == "corda" else batches_read() <= 16
    assert batches_read(tolerance=None) == 64, "all where the user says so"
    assert batches_read(axes=None) == 64, "and where all axes may be asked for"
    # a process that ends alone would leave the others in a forward that all take part in
    monkeypatch.setattr("lora.initialization.several", lambda: True)
    monkeypatch.setattr("lora.initialization.of_first", lambda value: value)
    assert batches_read() == 64
