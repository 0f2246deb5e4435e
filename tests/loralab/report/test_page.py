"""The page: one file, the same bytes for the same evidence, every claim with its evidence."""

import re
from html.parser import HTMLParser

import pytest

from loralab import papers, progress, report
from loralab.families import proxies
from loralab.store import Store
from tests.support.pages import Made, filled, small


class Read(HTMLParser):
    """The elements of a page, and those that are open at its end."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(name))]


@pytest.fixture(scope="module")
def made() -> Made:
    return filled()


@pytest.fixture(scope="module")
def page(made) -> Read:
    return Read(made.text)


def test_every_element_is_closed_and_every_id_is_of_one(page):
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))


def test_the_page_needs_no_other_file(page):
    assert all(source.startswith("data:") for source in page.values("src"))
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object")]
    outside = {link for link in page.values("href") if not link.startswith("#")}
    assert outside
    assert all(re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{5}", link) for link in outside)


def test_every_link_of_the_page_leads_somewhere(page):
    ids = set(page.values("id"))
    assert {link[1:] for link in page.values("href") if link.startswith("#")} <= ids


def test_every_claim_is_there_with_its_checks(made, page):
    articles = {a["id"]: a for tag, a in page.elements if tag == "article"}
    rows = [row for family in made.families for row in family.rows]
    assert list(articles) == [row.claim.id for row in rows]
    for row in rows:
        about = articles[row.claim.id]
        assert about["data-verdict"] == str(row.verdict or "not measured")
        assert about["data-source"] == row.claim.source
        assert str(row.claim.scope) in (about["data-scope"] or "").split("|")
    measured = sum(entry.measured is not None for row in rows for entry in row.evidence)
    bars = [a for tag, a in page.elements if tag == "svg"]
    assert len(bars) == measured + len(made.methods) - 1 + 1, "LoRA has none, the legend one"
    assert all(a["role"] == "img" and a["aria-label"] for a in bars)


def test_figures_have_captions_and_words_for_who_does_not_see_them(page):
    images = [a for tag, a in page.elements if tag == "img"]
    assert images
    assert all((a["alt"] or "").strip() for a in images)
    assert len([tag for tag, _ in page.elements if tag == "figcaption"]) == len(images)


def test_papers_have_their_titles(made):
    assert f'<a href="https://arxiv.org/abs/2406.08447">{papers.TITLES["2406.08447"]}</a>' in (
        made.text
    )
    assert papers.title("0000.00000") == "arXiv:0000.00000"


def test_the_section_on_a_real_model_is_there_only_with_its_data(made):
    assert 'id="initialization"' in made.text
    for name in made.methods:
        assert f'<th scope="row">{name}</th>' in made.text
    assert 'id="initialization"' not in small()


def test_a_quick_run_is_marked(made):
    assert made.text.count("reduced size") > small().count("reduced size")
    assert '<span class="mark warn">reduced size</span>' in made.text


def test_two_runs_write_the_same_bytes(checkout, run, tmp_path_factory):
    assert run("fake").returncode == 0
    pages = []
    for _ in range(2):
        home = tmp_path_factory.mktemp("home")
        (home / "runs").symlink_to(checkout / "runs")
        assert run("loralab", "report", LORALAB_HOME=str(home)).returncode == 0
        pages.append((home / "report/index.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"Each of 4 numbers by its place." in pages[0]
    assert b'alt="number against place."' in pages[0]
    assert str(checkout).encode() not in pages[0]


def test_a_long_report_says_how_far_it_is(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    monkeypatch.setattr(progress, "EVERY", 0.0)
    monkeypatch.setattr(report, "_family", lambda proxy, store: proxy.stem)
    monkeypatch.setattr(report, "page", " ".join)
    report.write_report(Store(tmp_path / "store.sqlite"))
    count = len([*proxies()])
    assert f"report: families: {count} of {count} after" in capsys.readouterr().err
