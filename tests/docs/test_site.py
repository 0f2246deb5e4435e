"""The built site: no warning, no broken link, no request that leaves the machine, and a search that
works from the file system."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("material", reason="needs the extra docs")
pytest.importorskip("mkdocstrings", reason="needs the extra docs")
pytest.importorskip("latex2mathml", reason="needs the extra docs")

from docs.generate import evidence, maths, theory
from loralab.report import as_recorded
from loralab.report.maths import marked
from tests.support import axe, chromium

ROOT = Path(__file__).parents[2]
BROWSER = chromium.PROGRAM
pytestmark = pytest.mark.xdist_group("site")  # one site for all


class Page(HTMLParser):
    """The links, the addresses within, and what is loaded of one page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := found.get(name))}
        if tag == "a" and (link := found.get("href")):
            self.links.append(link)
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "preconnect"):
            self.loaded.append(found["href"] or "")
        elif tag in ("script", "img", "iframe") and (source := found.get("src")):
            self.loaded.append(source)

    def handle_data(self, data: str) -> None:
        self.text += data


def words(text: str) -> str:
    """A text without what Markdown does to it: breaks of lines, and backticks."""
    return " ".join(text.replace("`", "").split())


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = ["-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(
        [sys.executable, *command],
        cwd=source,
        env=os.environ | {"PYTHONPATH": str(source), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def read(site) -> dict[Path, Page]:
    return {file: Page(file) for file in sorted(site.rglob("*.html")) if file.name != "404.html"}


def broken(read: dict[Path, Page]) -> list[str]:
    """The links within the site that lead nowhere."""
    found = []
    for file, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            if not target.is_file() or (
                anchor and target in read and anchor not in read[target].ids
            ):
                found.append(f"{file.name}: {link}")
    return found


def test_no_link_is_broken(read):
    assert len(read) > 60
    assert broken(read) == []


def test_a_broken_link_is_found(tmp_path):
    for name, text in {
        "a.html": '<a href="b.html#here">1</a><a href="c.html">2</a><a href="b.html#there">3</a>',
        "b.html": '<p id="here"></p><a href="https://example.org/none">4</a>',
    }.items():
        (tmp_path / name).write_text(text)
    pages = {file: Page(file) for file in sorted(tmp_path.glob("*.html"))}
    assert broken(pages) == ["a.html: c.html", "a.html: b.html#there"]


def test_nothing_is_loaded_from_elsewhere(site, read):
    for file, page in read.items():
        for source in page.loaded:
            assert not urlsplit(source).netloc, f"{file.name} loads {source}"
            assert (file.parent / urlsplit(source).path).resolve().is_file(), source
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", style.read_text("utf-8")), style.name


def test_sentences_of_claims_are_shown_as_they_are(site, read):
    texts = {page.stem: words(found.text) for page, found in read.items() if "ledger" in page.parts}
    for stem, (proxy, rows) in evidence.families().items():
        conditions = as_recorded(proxy).conditions
        for row in rows:
            own = [part for part in conditions.rests[row.claim.id] if isinstance(part, str)]
            sentences = [row.claim.statement, row.claim.untestable, *own, *conditions.head]
            for check in row.claim.checks:
                sentences += [check.condition, check.claimed, str(check.criterion)]
            for text in sentences:
                assert words(marked(text).striptags()) in texts[stem], f"{row.claim.id}: {text}"


def test_the_figures_of_a_family_are_on_its_page(site, read):
    for stem, (proxy, _) in evidence.families().items():
        page = site / "ledger" / f"{stem}.html"
        loaded = {(page.parent / source).resolve() for source in read[page].loaded}
        figures = {*(site / "ledger" / "figures").glob(f"{stem}-*.svg")}
        assert figures <= loaded
        assert bool(figures) == (as_recorded(proxy).run is not None)
        assert "<!-- made" not in page.read_text("utf-8")


def test_a_theory_page_has_every_word_of_the_docstrings(site, read):
    for stem in theory.stems():
        shown = {*words(read[site / "theory" / f"{stem}.html"].text).split()}
        for file in (ROOT / "theory" / stem).glob("*.py"):
            wanted = {*words(theory.document(file)).split()} - {"-", "Args:"}
            assert wanted <= shown, (file.name, sorted(wanted - shown)[:5])


def test_formulas_are_rendered(site):
    page = (site / "methods" / "pissa.html").read_text("utf-8")
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in page
    assert "arithmatex" not in page
    assert "<mi>x</mi>" in maths.rendered(r'<p><span class="arithmatex">\(x &lt; 1\)</span></p>')


def test_a_link_to_nowhere_stops_the_build(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source)
    for name in ("lora", "loralab", "proxies", "scaling", "theory", "evidence", "paper_figs"):
        (source / name).symlink_to(ROOT / name)
    page = source / "docs" / "install.md"
    page.write_text(page.read_text("utf-8") + "\n[nowhere](none.md) [no place](faq.md#none)\n")
    done = build(source, tmp_path / "site")
    assert done.returncode != 0
    assert "none.md" in done.stderr
    assert "#none" in done.stderr


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_the_search_finds_from_the_file_system(site, tmp_path):
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    done = subprocess.run(
        [
            BROWSER,
            *flags,
            "--virtual-time-budget=20000",
            "--dump-dom",
            f"{(site / 'faq.html').as_uri()}?q=pissa",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = re.search(r'md-search-result__meta">\s*(\d+) matching', done.stdout)
    assert found, done.stderr[-500:]
    assert int(found[1]) > 5
    assert "methods/pissa.html" in done.stdout


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if chromium.PROGRAM is None:
        pytest.skip("no Chromium is installed")
    page = chromium.Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


LOOKS = [(1400, False), (1400, True), (390, False), (390, True)]
PLACES = (
    "index.html",
    "ledger/gradient_signal.html",
    "methods/pissa.html",
    "guides/choosing-an-initialization.html",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_a_page_is_for_every_reader(site, browser, place, width, dark):
    browser.look(width, dark=dark)
    browser.open(site / place)
    assert browser.run("document.documentElement.scrollWidth") == width
    light = browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light is not dark, "the colours are those of the system, for bars too"
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert axe.violations(browser) == []


def test_bars_follow_the_colours(site, browser):
    colour = "getComputedStyle(document.querySelector('.bar.supported .value')).fill"
    found = []
    for dark in (False, True):
        browser.look(dark=dark)
        browser.open(site / "ledger" / "matfac.html")
        found.append(browser.run(colour))
    assert found == ["rgb(23, 102, 44)", "rgb(123, 212, 146)"]
