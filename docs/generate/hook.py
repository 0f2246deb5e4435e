"""What mkdocs calls while it builds the site: the made pages join the written ones, the navigation
lists them, and formulas become MathML."""

import posixpath
import re
from functools import partial
from typing import Any

from mkdocs.structure.files import File, Files

from docs.generate import ROOTED, figures, ledger, navigation, pages
from docs.generate.choosing import table
from docs.generate.maths import rendered
from loralab.code import ROOT

ELSEWHERE = {**ROOTED, "LEDGER.md": "ledger/index.md", "README.md": "index.md"}
MADE = {"<!-- made: choosing -->": table, "<!-- made: families -->": ledger.overview}
STYLE = "assets/evidence.css"  # that of the report
LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s]+)\)")
# the switch of a part of the navigation whose name is a link beside it
NAMELESS = re.compile(r"(<span[^>]*>\s*([^<]+?)\s*</span>\s*</a>)(\s*<label[^>]*>)")
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_config(config: Any) -> Any:
    """Put the made pages where the navigation names their part."""
    config.nav = _filled(config.nav)
    return config


def _filled(nav: Any) -> Any:
    if isinstance(nav, list):
        return [_filled(each) for each in nav]
    if isinstance(nav, dict):
        return {title: _filled(within) for title, within in nav.items()}
    return navigation().get(nav, nav)


def on_files(files: Files, config: Any) -> Files:
    """Add the made pages, the figures, and the style of evidence."""
    for place, text in pages().items():
        files.append(File.generated(config, place, content=text))
    for place, path in figures.files().items():
        files.append(File.generated(config, place, abs_src_path=str(path)))
    style = ROOT / "loralab" / "report" / "evidence.css"
    files.append(File.generated(config, STYLE, abs_src_path=str(style)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Make the tables of a page, and lead links that leave docs/ to what the site has of it."""
    made = {ledger.mark(stem): partial(figures.shown, stem) for stem in figures.drawn()}
    for mark, make in (MADE | made).items():
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    uri = page.file.src_uri
    here = "" if uri in ROOTED.values() else posixpath.join("docs", posixpath.dirname(uri))
    parts = FENCE.split(markdown)
    parts[::2] = [LINK.sub(lambda m: _led(m, here, uri, files), part) for part in parts[::2]]
    return "".join(parts)


def _led(link: re.Match[str], here: str, uri: str, files: Files) -> str:
    """A link of a page, to the site's page of what it names; what the site lacks is named alone."""
    text, target = link[1], link[2]
    path, mark, anchor = target.partition("#")
    if "://" in target or not path:
        return link[0]
    whole = posixpath.normpath(posixpath.join(here, path))
    inside = ELSEWHERE.get(whole) or whole.removeprefix("docs/")
    if files.get_file_from_path(inside) is None:
        # a broken link within docs/ stays, so that the strict build finds it
        return link[0] if whole.startswith("docs/") else f"`{whole}`"
    relative = posixpath.relpath(inside, posixpath.dirname(uri) or ".")
    return f"[{text}]({relative}{mark}{anchor})"


def on_page_content(html: str, **_: Any) -> str:
    """Render the formulas."""
    return rendered(html)


def on_post_page(output: str, **_: Any) -> str:
    """Name what the theme leaves without a name to who hears the page."""
    output = output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
    return NAMELESS.sub(r'\1\3<span class="hidden">\2</span>', output)
