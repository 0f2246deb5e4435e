"""Every claim can be followed: to an equation, a test and a trial that exist, in sentences that
stand alone."""

from dataclasses import asdict, replace
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from loralab.chain import chain, links, part
from loralab.claims import Check, Claim, Kind, Measured, Scope, Within
from loralab.families import check_unique, proxies
from loralab.rows import row_of
from scaling.studies import language
from scaling.studies.language import Config
from tests.support.chains import CLAIMS, has_equation, has_test, object_of

LEANING = ("So ", "The same", "the same", "Which ", "And ")  # on the row above


def broken(claim: Claim) -> list[str]:
    """What of a claim cannot be followed."""
    if claim.untestable:
        return []
    return [
        *(() if has_equation(claim.equation) else [f"equation {claim.equation!r}"]),
        *(() if has_test(claim.test) else [f"test {claim.test!r}"]),
        *(() if _has_trial(claim.trial) else [f"trial {claim.trial!r}"]),
        *([f"assumptions {claim.assumptions!r}"] if len(claim.assumptions.split()) == 1 else []),
        *[f"key {check.key!r}" for check in claim.checks if not check.key],
        *[
            f"claimed {check.claimed!r} by nobody"
            for check in claim.checks
            if _unsaid(claim, check)
        ],
        *[
            f"leaning sentence {text!r}"
            for text in (claim.statement, *(check.condition for check in claim.checks))
            if text.startswith(LEANING)
        ],
    ]


def _has_trial(trials: str) -> bool:
    try:
        return all(callable(object_of(trial)) for trial in trials.split(", "))
    except (ImportError, AttributeError, ValueError):
        return False


def _unsaid(claim: Claim, check: Check) -> bool:
    return claim.source == "derived" and bool(check.claimed)


@pytest.mark.parametrize("id", CLAIMS)
def test_a_claim_can_be_followed(id):
    assert broken(CLAIMS[id]) == []


SOUND: dict[str, Any] = {
    "kind": Kind.EFFECT,
    "scope": Scope.SMALL,
    "equation": "theory.asymmetry.freezing (2)",
    "test": "tests/loralab/test_chain.py::test_a_fault_of_a_chain_is_seen",
    "trial": "scaling.comparison.trials.fine_tuned",
}
FAULTS: dict[str, dict[str, Any]] = {
    "equation 'theory.asymmetry.freezing (99)'": {"equation": "theory.asymmetry.freezing (99)"},
    "equation 'theory.asymmetry.nothing'": {"equation": "theory.asymmetry.nothing"},
    "test ''": {"test": ""},
    "test 'tests/loralab/test_chain.py::test_nothing'": {
        "test": "tests/loralab/test_chain.py::test_nothing"
    },
    "trial ''": {"trial": ""},
    "trial 'scaling.comparison.trials.FAMILY'": {"trial": "scaling.comparison.trials.FAMILY"},
    "assumptions 'x'": {"assumptions": "x"},
    "key ''": {"checks": (Check("", Within()),)},
    "claimed '1' by nobody": {"checks": (Check("one", Within(), claimed="1"),)},
    "leaning sentence 'the same'": {"checks": (Check("one", Within(), "the same"),)},
    "leaning sentence 'So does EVA.'": {"statement": "So does EVA."},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_chain_is_seen(fault):
    sound: dict[str, Any] = {
        "statement": "EVA does.",
        "checks": (Check("one", Within(), "measured"),),
        **SOUND,
    }
    assert broken(Claim(id="X", source="derived", **sound)) == []
    assert broken(Claim(id="X", source="derived", **sound | FAULTS[fault])) == [fault]


def test_a_claim_is_shown_link_by_link():
    """Each link under its name, a link that there is none of left out."""
    family: Any = SimpleNamespace(stem="one", file="proxies/one.py", Config=Config)
    links = {"assumptions": "it is [small]", "equation": "an.equation", "test": "a.test"}
    about: dict[str, Any] = {"kind": Kind.EFFECT, "scope": Scope.SMALL}
    checks = (Check("one", Within()),)
    claim = Claim(
        *("X", "It is so.", "1234.56789", checks),
        trial="a.trial",
        where="abstract",
        covers=False,
        **links,
        **about,
    )
    shown = {
        "claim": "X: It is so.",
        "verdict": "seen at this scale (1 of 1 checks supported)",
        "source": "arXiv:1234.56789",
        "where": "abstract",
        "kind": "effect",
        "scope": "small network, which the source does not speak of",
        **links,
        "trial": "a.trial",
        "figures": "paper_figs/one.py, drawn into the page of loralab report",
        "measured by": "loralab reproduce X --full --block 1000",
        "on other seeds": "loralab reproduce X --full --block SEED",
        "evidence": "run store; run abc: full size, seeds from 1000, measured in 12 s at commit "
        "1234567",
    }
    row = row_of(claim, {"one": Measured(1, 1, 1, "range", "draw", 7, 1.0)})
    row = replace(row, evidence=tuple(replace(entry, run="abc") for entry in row.evidence))
    run = {"size": "full", "config": {"block": 1000}, "seconds": 12.3}
    runs = {"abc": run | {"provenance": {"commit": "1234567"}}}
    lines = printed(chain(family, row, "run store", runs))
    assert lines[: len(shown)] == list(shown.items())
    assert "n = 7 (draw), range" in str(lines)
    bare = row_of(Claim("X", "It is so.", "derived", checks, **about))
    others = {
        "source": "derived here",
        "scope": "small network",
        "measured by": "loralab reproduce X",
        "on other seeds": "loralab reproduce X --block SEED",
        "evidence": "not run",
        "verdict": "not measured",
    }
    absent = {"where", "assumptions", "equation", "test", "trial"}
    wanted = [(k, others.get(k, v)) for k, v in shown.items() if k not in absent]
    assert printed(chain(family, bare, "not run", {}))[: len(wanted)] == wanted


def test_a_part_of_a_family_is_measured_by_its_flags():
    config = asdict(Config(block=1000, every=True, only=("LoRA", "Nyström", "A alone, rank 17")))
    words = "--every --only LoRA 'Nyström' 'A alone, rank 17' --block 1000"
    assert part(language.PROXY, config) == f"python -m scaling.studies.language {words}"


def test_every_run_of_a_claim_has_the_command_that_makes_it_again():
    runs = {
        "now": {"size": "default", "config": asdict(Config())},
        "before": {"size": "default", "config": {"block": 2000, "a flag that is gone": 4}},
        "few": {"size": "part", "config": asdict(Config(block=2000, only=("LoRA", "EVA")))},
    }
    for run in runs.values():
        run |= {"seconds": 1.0, "provenance": {"commit": "abc"}}
    [claim] = [each for each in language.PROXY.claims if each.id == "LM1"]
    row: Any = SimpleNamespace(claim=claim, runs=(*runs,), verdict=None, deciding=0, split=0)
    found = links(language.PROXY, row, "", runs)
    module = "python -m scaling.studies.language"
    assert found["measured by"].split(" && ") == [
        "loralab reproduce LM1",
        "loralab reproduce LM1 --block 2000",
        f"{module} --only LoRA EVA --block 2000",
    ]
    assert found["on other seeds"].split(" && ") == [
        "loralab reproduce LM1 --block SEED",
        f"{module} --only LoRA EVA --block SEED",
    ]


def printed(group: Any) -> list[tuple[str, str]]:
    """The lines, each at its first wide gap."""
    console = Console(width=150, file=StringIO())
    console.print(group)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return [(name, text.strip()) for name, _, text in (line.partition("  ") for line in lines)]


def test_no_two_claims_share_an_id():
    families = list(proxies())
    check_unique(families)
    with pytest.raises(ValueError, match=r"the claim A1 of other has the id of one of asymmetry"):
        check_unique([*families, replace(families[0], stem="other")])
