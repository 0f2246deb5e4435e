"""The page in a real browser, a headless Chromium: layout, colours, filters, links, keyboard."""

import json

import pytest

from tests.support import axe, chromium
from tests.support.pages import filled

# A small page is enough: the browser takes seconds for one with all claims.
FAMILIES = ("gradient_signal", "matfac", "nystrom", "language")
LOOKS = [(1400, False), (1400, True), (390, False), (390, True)]
SHOWN = "[...document.querySelectorAll('article.claim')].filter(a => a.checkVisibility())"
pytestmark = [
    pytest.mark.skipif(chromium.PROGRAM is None, reason="no Chromium is installed"),
    pytest.mark.xdist_group("chromium"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    page = chromium.Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(filled(*FAMILIES, claims=12).text, encoding="utf-8")
    return path


@pytest.fixture
def page(browser, file):
    browser.look()
    browser.open(file)
    return browser


def choose(page, **values: str) -> None:
    for name, value in values.items():
        page.run(
            f"form.elements.{name}.value = {json.dumps(value)};"
            "form.dispatchEvent(new Event('input', {bubbles: true}))"
        )


def ids(page) -> list[str]:
    return page.run(f"{SHOWN}.map(a => a.id)")


def expected(fits) -> list[str]:
    return [
        row.claim.id
        for family in filled(*FAMILIES, claims=12).families
        for row in family.rows
        if fits(row)
    ]


def test_nothing_is_asked_of_the_network_and_nothing_fails(page, file):
    asked = [e["params"]["request"]["url"] for e in page.events if "request" in e.get("params", {})]
    assert {url for url in asked if not url.startswith("data:")} == {file.as_uri()}
    assert not [e for e in page.events if e["method"] == "Runtime.exceptionThrown"]
    assert page.run("[...document.images].every(i => i.naturalWidth > 0)")


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_page_never_scrolls_sideways(page, file, width, dark):
    page.look(width, dark=dark)
    page.open(file)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run("document.documentElement.scrollWidth") == width
    right = page.run(
        "Math.max(...[...document.querySelectorAll('.sign, .bar')].filter(x => x.checkVisibility())"
        ".map(x => x.getBoundingClientRect().right))"
    )
    assert right <= width, "every verdict and bar is on the screen"


def test_the_colours_are_the_readers(page, file):
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.run(paper)
    page.look(dark=True)
    page.open(file)
    assert (light, page.run(paper)) == ("rgb(255, 255, 255)", "rgb(23, 24, 28)")


@pytest.mark.parametrize(("width", "dark"), [LOOKS[0], LOOKS[3]])
def test_axe_finds_no_violation(page, file, width, dark):
    page.look(width, dark=dark)
    page.open(file, "#N1")
    assert axe.violations(page) == []


def test_filters_join(page):
    choose(page, verdict="refuted")
    assert ids(page) == expected(lambda row: str(row.verdict) == "refuted")
    choose(page, source="2410.07170")
    refuted = expected(
        lambda row: (str(row.verdict), row.claim.source) == ("refuted", "2410.07170")
    )
    assert ids(page) == refuted
    assert page.run("form.elements.count.value").startswith(f"{len(refuted)} of ")
    choose(page, scope="exact")
    assert len(ids(page)) < len(refuted)
    assert page.run("[...document.querySelectorAll('section.family')]"
                    ".filter(s => s.checkVisibility()).length") == 1  # fmt: skip


def test_a_family_is_shown_with_its_figures_and_a_search_without_them(page):
    figures = "[...document.querySelectorAll('.family figure')].filter(f => f.checkVisibility())"
    choose(page, family="nystrom")
    assert ids(page) == [id for id in expected(lambda row: True) if id.startswith("N")]
    assert page.run(f"{figures}.length") == 1
    choose(page, text="sketch")
    assert 0 < len(ids(page)) < 20
    assert page.run(f"{figures}.length") == 0


def test_every_word_of_a_search_counts_in_any_order(page):
    choose(page, text="rank")
    one = ids(page)
    choose(page, text="pissa rank")
    assert set() < set(ids(page)) < set(one)
    choose(page, text="no such words")
    assert ids(page) == []


def test_a_search_finds_a_condition_that_claims_share(page):
    choose(page, text="clipped at 1", family="language")
    assert ids(page) == [id for id in expected(lambda row: True) if id.startswith("LM")]


def test_a_total_shows_its_claims(page):
    page.run("document.querySelector('a.tile.inconclusive').click()")
    page.run("new Promise(done => setTimeout(done, 50))")
    assert ids(page) == expected(lambda row: str(row.verdict) == "inconclusive")


def test_a_link_to_a_hidden_claim_shows_it(page):
    choose(page, verdict="refuted")
    assert "E1" not in ids(page)
    page.run("document.querySelector('a.reference[href=\"#E1\"]').click()")
    page.run("new Promise(done => setTimeout(done, 100))")
    assert "E1" in ids(page)
    top = page.run("document.getElementById('E1').getBoundingClientRect().top")
    assert 0 <= top < 900


def test_a_link_opens_what_it_leads_to(page, file):
    run = page.run("document.querySelector('[id^=run-]').id")
    page.open(file, f"#{run}")
    assert page.run(f"document.getElementById('{run}').checkVisibility()")


def test_the_keyboard_reaches_the_claims_the_filters_and_what_is_closed(page):
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    page.press("Enter")
    assert page.run("document.activeElement.id") == "claims"
    page.run("form.elements.family.focus()")
    for name in ("verdict", "scope", "source", "text"):
        page.press("Tab")
        assert page.run("document.activeElement.name") == name
    page.type("sketch")
    assert 0 < len(ids(page)) < 20
    page.run("document.querySelector('article:not([hidden]) summary').focus()")
    page.press("Enter")
    assert page.run("document.activeElement.parentElement.open")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_without_scripts_there_are_anchors_and_no_filters(page, file):
    page.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(file, "#E1")
        assert not page.run("document.getElementById('filter').checkVisibility()")
        assert len(ids(page)) == len(expected(lambda row: True))
        top = page.run("document.getElementById('E1').getBoundingClientRect().top")
        assert 0 <= top < 900
    finally:
        page.tell("Emulation.setScriptExecutionDisabled", value=False)


def test_print_has_no_filters_and_is_dark_on_light(page):
    page.look(700, dark=True)
    page.tell("Emulation.setEmulatedMedia", media="print")
    try:
        assert not page.run("document.getElementById('filter').checkVisibility()")
        assert page.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert page.run("getComputedStyle(document.querySelector('.claim')).breakInside") == "avoid"
        assert page.run(
            "[...document.querySelectorAll('.checks thead, .claim .terms, .common li')]"
            ".every(x => x.getBoundingClientRect().height > 1)"
        ), "tables stay tables, and conditions and chains are printed, which the screen folds"
        assert page.run(
            "[...document.querySelectorAll('main *')].filter(x => x.checkVisibility())"
            ".every(x => x.getBoundingClientRect().right <= 700)"
        ), "nothing is cut off"
    finally:
        page.tell("Emulation.setEmulatedMedia", media="")
