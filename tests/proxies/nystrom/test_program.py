"""The program of the Nyström family: verdicts, flags, what the store keeps, and figures."""

from dataclasses import replace

import pytest

from loralab.claims import Kind, Scope, Verdict
from loralab.figures import draw
from loralab.store import Store
from proxies.families.nystrom.trials import adaptation, laws
from proxies.nystrom import PROXY


def test_proxy_measures_every_claim_and_keeps_it(tmp_path, monkeypatch):
    # workers would each import torch, for trials of milliseconds
    monkeypatch.setenv("LORALAB_JOBS", "1")
    costly = adaptation.factorisation_cost
    cheap = lambda **point: costly(**point | {"size": 64})  # too small for N13
    cheap.__name__ = "factorisation_cost"
    monkeypatch.setattr(adaptation, "factorisation_cost", cheap)
    store, small = Store(tmp_path / "runs.sqlite"), replace(PROXY.quick, seeds=3, draws=800)
    run_of_claims = PROXY.run(small, store)
    rows = {row.claim.id: row for row in PROXY.rows(run_of_claims)}
    assert {id for id, row in rows.items() if not row.complete} == {"N13b"}, "times are left out"
    for row in rows.values():
        if row.claim.source == "derived" and row.claim.scope != Scope.RELEASED:
            assert row.verdict in (Verdict.HOLDS, Verdict.INCONCLUSIVE, None), row.claim.id
        if row.claim.kind in (Kind.IDENTITY, Kind.LAW):
            assert not [e.check.key for e in row.evidence if e.excludes_prediction]
    assert rows["N15"].verdict == Verdict.UNTESTABLE
    assert PROXY.run(small, store).finished == run_of_claims.finished, (
        "the second run comes from the store"
    )

    def scalar_law(**_):
        raise AssertionError("a finished trial was computed again")

    monkeypatch.setattr(laws, "scalar_law", scalar_law)
    without_peft = PROXY.rows(PROXY.run(replace(small, peft=False), store))
    assert [row.claim.id for row in without_peft if not row.complete] == ["N13b", "N14", "N14b"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"rank": 30}, "--rank must be .* got 30"),
        ({"rank": 1}, "--rank must be .* got 1"),
        ({"columns": 8}, "--rank must be .* = 8, .* got 6"),
        ({"seeds": 2}, "--seeds must be .* got 2"),
        ({"steps": 10}, "--steps must be .* got 10"),
        ({"draws": 10}, "--draws must be .* got 10"),
        ({"block": -1}, "--block must be .* got -1"),
        ({"weights": 1}, "--weights must be .* got 1"),
        ({"weights": 21}, "--weights must be .* = 20, got 21"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        PROXY.Config(**flags)


def test_figures_draw_from_the_data_alone(tmp_path):
    """Made-up data of the right keys, with a method that never converged: the pictures that the
    report links to."""
    methods = (
        "small random eta=0.5",
        "Nyström eta=0.4",
        "Nyström eta=0.5",
        "asymmetric eta=0.5",
        "asymmetric ALS, random",
    )
    curve = [1.0, 1e-3, 0.0]
    data = {
        "conditions": [10.0**i for i in range(1, 7)],
        **dict.fromkeys(("symmetric", "symmetric_law", "asymmetric"), [curve] * 6),
        "asymmetric_law": curve,
        "distance": [10.0, 1e6],
        "steps": [6, 14],
        "extra_steps": 3.86,
        "table": [{**dict.fromkeys(methods, 3.0), "gradient descent": None}] * 6,
        "leaks": [{"size": 10.0**-i, "errors": [1.0] * (30 - i)} for i in range(4)],
        "random_factors": {"real": [1.0, -1.0], "imaginary": [0.0, 0.0], "done": [True, False]},
        "transfer": [
            {"overlap": overlap, "random": curve, "weight": curve, "gradient": curve}
            for overlap in (0, 1)
        ],
    }
    drawn = {figure.path.name for figure in draw("nystrom", data, tmp_path)}
    assert drawn == {f"nystrom-{name}.svg" for name in ("errors", "steps", "limits", "transfer")}
