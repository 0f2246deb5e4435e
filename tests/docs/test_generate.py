"""The pages that are made: complete, from the record, and shown as they were written."""

import re

import pytest

import lora
from docs.generate import choosing, costs, evidence, markdown, pages, table, theory
from loralab.code import ROOT
from loralab.ledger import with_interval
from loralab.papers import TITLES
from loralab.report import as_recorded
from loralab.report.bars import bar
from loralab.report.maths import marked
from scaling.studies import tables
from tests.support.worlds import language


def test_every_scheme_and_every_variant_is_described():
    for described, known in ((table.SCHEMES, lora.SCHEMES), (table.VARIANTS, lora.VARIANTS)):
        missing, unknown = known.keys() - described.keys(), described.keys() - known.keys()
        assert not missing | unknown, f"rows of docs/generate/table.py: {missing=}, {unknown=}"
    assert [*table.SCHEMES] == [*lora.SCHEMES]
    assert [*table.VARIANTS] == [*lora.VARIANTS]
    for name in (*lora.SCHEMES, *lora.VARIANTS):
        page = pages()[f"methods/{name}.md"]
        for part in ("When to use it", "When not", "What it costs", "Claims about it"):
            assert f"## {part}\n" in page


def test_the_quickstart_names_every_scheme_by_what_it_needs_and_every_variant():
    text = (ROOT / "docs" / "quickstart.md").read_text("utf-8")
    titles = {"nothing": "nothing", "the weight": "weight", "inputs": "inputs"}
    titles["gradients"] = "gradient"
    for title, needs in titles.items():
        (line,) = re.findall(rf"^\| {title} \| (.*) \|$", text, re.MULTILINE)
        wanted = [name for name, scheme in lora.SCHEMES.items() if scheme.needs == needs]
        named = re.findall(r"`(\w+)`", line)
        assert named == wanted, f"the table of docs/quickstart.md, at {title}: {wanted}"
    (listed,) = re.findall(r"`lora.VARIANTS` has ([^.]*)\.", text)
    assert {*re.findall(r"`(\w+)`", listed)} == {*lora.VARIANTS}


def test_every_name_of_a_method_is_one_that_a_claim_uses():
    used = {
        name: evidence.about((name,))
        for about in (*table.SCHEMES.values(), *table.VARIANTS.values())
        for name in about.names
    }
    assert not [name for name, claims in used.items() if not claims]


def test_every_claim_is_on_the_page_of_its_family():
    assert evidence.FAMILIES.keys() <= evidence.families().keys()
    assert evidence.titled("toy") == ("toy", ()), "a new family has a page at once"
    for stem, row in evidence.rows():
        page = pages()[f"ledger/{stem}.md"]
        assert f"## {row.claim.id}: {evidence.verdict(row)} {{#{row.claim.id.lower()}}}" in page
        (section,) = re.findall(rf"## {row.claim.id}: .*?\n\n(.*?)\n", page)
        assert section.count('<th scope="row">') == len(row.evidence)
        measured = sum(entry.measured is not None for entry in row.evidence)
        assert section.count('<svg class="bar ') == measured


def test_a_check_is_shown_with_its_value_interval_and_criterion():
    row = evidence.row_of("E1")
    (entry, *_) = row.evidence
    page = pages()["ledger/gradient_signal.md"]
    line = page.partition(str(marked(entry.check.condition)))[2].partition("</tr>")[0]
    assert f"</span> {entry.outcome}</span>" in line
    assert str(marked(str(entry.check.criterion))) in line
    assert entry.measured is not None
    assert f"<div>{with_interval(entry.measured)}</div>".replace("[", "&#91;") in line
    drawn = bar(entry.check.criterion, entry.measured, entry.check.predicted)
    assert markdown.raw(drawn)[5:-6] in line, "the bar is the report's"


def test_the_chain_of_a_claim_is_shown():
    row = evidence.row_of("E2")
    page = pages()["ledger/gradient_signal.md"]
    chain = page.partition("command and run of E2<")[2].partition("</details>")[0]
    for name in (row.claim.equation, row.claim.test, row.claim.trial):
        assert f"<code>{name}</code>" in chain
    assert f'href="../{theory.place(row.claim.equation).replace(".md", ".html")}"' in chain
    (run,) = row.runs
    about = as_recorded(evidence.families()["gradient_signal"][0]).runs[run]
    seeds = about["config"]["block"]
    assert f"<code>loralab reproduce E2 --block {seeds}</code>" in chain, "those of its record"
    assert "<code>loralab reproduce E2 --block SEED</code>" in chain
    assert f'<a href="#run-{run}">{run}</a> (' in chain
    assert f"commit {about['provenance']['commit']})" in chain
    assert f'<dt id="run-{run}">' in page


def test_shared_conditions_stand_once_on_the_page_of_a_family():
    page = pages()["ledger/language.md"]
    family = as_recorded(evidence.families()["language"][0])
    for i, text in enumerate(family.conditions.head, 1):
        assert page.count(markdown.raw(str(marked(text)))[5:-6]) == 1
        assert page.count(f'<li id="language-condition-{i}">') == 1
        assert page.count(f'href="#language-condition-{i}"') > 1


def test_every_paper_of_a_claim_or_a_method_has_a_title():
    of_claims = {row.claim.source for _, row in evidence.rows()}
    of_methods = {scheme.source for scheme in lora.SCHEMES.values()}
    assert of_claims | of_methods <= TITLES.keys() | {"derived"}


def test_every_equation_of_a_claim_leads_to_its_module():
    for _, row in evidence.rows():
        if row.claim.equation:
            page, _, anchor = theory.place(row.claim.equation).partition("#")
            assert page in pages(), row.claim.equation
            found = pages()[page]
            assert not anchor or f"{{#{anchor}}}" in found or f'id="{anchor}"' in found
            numbered = row.claim.equation.endswith(")")
            assert not numbered or anchor[-1].isdigit(), row.claim.equation


@pytest.fixture
def measured(monkeypatch):
    """As if the comparison on a language model had been recorded, in the made-up world."""
    data = tables.language(language.world())
    for row in data.values():
        row.setdefault("memory", None)
    monkeypatch.setattr(costs, "methods", lambda: data)
    return data


def test_costs_are_those_of_the_comparison(measured):
    found = costs.costs({"scheme": "pissa"})
    assert f"| PiSSA | {measured['PiSSA']['parameters']:,} |" in found
    assert f"| LoRA | {measured['LoRA']['parameters']:,} |" in found
    assert costs.costs({"scheme": "init_a"}).count("\n| LoRA |") == 1
    assert costs.costs({"scheme": "gaussian"}) == costs.MISSING, "it is not compared"


def test_the_decision_table_has_a_line_for_each_scheme_with_what_is_recorded(measured):
    del measured["EVA"]
    measured["PiSSA"]["over LoRA"] = [0.9, 0.8, 0.95]
    lines = [line for line in choosing.table().split("\n")[2:] if line]
    cells = {re.findall(r"`(\w+)`", line)[0]: line.split(" | ")[3] for line in lines}
    assert [*cells] == [*lora.SCHEMES]
    assert cells["pissa"] == "0.9 [0.8, 0.95]"
    assert cells["init_a"] == "1, by definition"
    assert (cells["eva"], cells["gaussian"]) == ("not measured yet", "not compared")


def test_equations_have_addresses():
    made = markdown.docstring(
        "Setting, with\n    E < m c^2      (1)\nand\n\nArgs:\n    x: a_b", "m"
    )
    assert '<pre class="equation">E &lt; m c^2    <span id="m-1">(1)</span></pre>' in made
    assert made.endswith("- `x`: a&#95;b\n")
    assert "<span" not in markdown.docstring("Setting, with\n    E = m c^2      (1)")
