"""What the evidence leaves out, and what the tables show. The value of every check is tested in
tests/test_wiring.py."""

import json

import pytest

from proxies.families.overparam_generation.claims import CLAIMS
from proxies.families.overparam_generation.evidence import evidence
from proxies.families.overparam_generation.tables import data, tables
from tests.support.worlds.overparam_generation import mean, width, world
from tests.support.worlds.overparam_generation.made import BEST, FIXED, SCORES, distances, table


def measured(trials) -> set[str]:
    found = evidence(trials)
    return {f"{id}/{key}" for id, checks in found.items() for key, m in checks.items() if m}


def without(**changes):
    trials = world()
    return trials._replace(swept={key: {**s, **changes} for key, s in trials.swept.items()})


def test_a_check_without_its_sweeps_is_not_measured():
    nothing = measured(world()._replace(swept={}))
    assert {name.partition("/")[0] for name in nothing} == {"OP14", "OP14b", "OP14d"}
    plain = world()
    plain = plain._replace(swept={k: s for k, s in plain.swept.items() if "DoRA" not in k[1]})
    assert measured(world()) - measured(plain) == {
        f"{claim.id}/{key}" for claim in CLAIMS for key in claim.keys if "DoRA" in key
    }


def test_a_best_learning_rate_at_the_edge_compares_nothing_that_depends_on_it():
    left = {name.partition("/")[0] for name in measured(without(edge="high"))}
    assert not left & {"OP15", "OP15c", "OP15d", "OP15e", "OP15i", "OP15j", "OP15l"}
    assert left >= {"OP15b", "OP15f", "OP15g", "OP15h", "OP15k", "OP15m"}
    assert left == {name.partition("/")[0] for name in measured(without(best=None))}


def test_a_window_that_the_grid_cuts_off_has_no_width():
    lost = measured(world()) - measured(without(open=["low"]))
    assert {name.partition("/")[0] for name in lost} == {"OP15e", "OP15l"}


def test_a_seed_that_diverged_has_no_distance_at_one_learning_rate():
    trials = world()
    sweep = trials.swept["new classes", "OP-LoRA", 2]
    sweep["test"]["MMD"][FIXED][3] = None
    equal = trials.swept["new style", "LoRA", 4]["equal"]
    assert equal is not None
    equal[0] = None
    assert measured(world()) - measured(trials) == {
        "OP15b/OP-LoRA, rank 2",
        "OP15k/OP-LoRA, rank 2",
        "OP15m/OP-LoRA, rank 4",
    }
    json.dumps(tables(trials), allow_nan=False)


def test_margins_of_ours_are_on_the_datum_of_their_check():
    found = evidence(world())
    for id, more in (("OP15c", ", by a fifth"), ("OP15d", ", within a fifth")):
        for key, m in found[id].items():
            if key.endswith(more):
                assert m == found[id][key.removesuffix(more)]


def test_tables_and_data_are_of_their_trials():
    trials = world()
    classes, style, anchors = tables(trials).values()
    for target, rows in (("classes", classes), ("style", style)):
        assert [row["method"] for row in rows] == ["DoRA", "OP-DoRA", "LoRA", "OP-LoRA"] * 3
        for row in rows:
            key = row["method"], row["rank"]
            found = distances(target, *key)
            assert row["MMD"] == pytest.approx(found[BEST].mean())
            assert row["MMD at 1e-4"] == pytest.approx(found[FIXED].mean())
            assert row["CMMD"] == pytest.approx(table(target, *key, "CMMD")[BEST].mean())
            if target == "classes":
                assert row["decades within 1.5"] == pytest.approx(width(*key))
    assert anchors[2]["target"] == "new classes"
    means = {name: mean("classes", f"base {name}") for name in SCORES}
    assert {name: anchors[2][name] for name in SCORES} == pytest.approx(means)
    found = data(trials)
    assert found["base"] == [["images of classes"]]
    for line in found["series"]:
        target = line["target"].removeprefix("new ")
        wanted = distances(target, line["method"], line["rank"]).mean(1)
        assert line["mean"] == pytest.approx(wanted.tolist())
