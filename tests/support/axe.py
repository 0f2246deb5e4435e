"""axe-core: what it finds wrong on a page for who hears it, or cannot tell colours apart."""

from typing import Any

import pytest

from loralab.code import ROOT
from tests.support.chromium import Page

SCRIPT = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FOUND = """axe.run({resultTypes: ['violations']}).then(r => r.violations.map(
    v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]))"""


def violations(page: Page) -> list[Any]:
    """Each rule that the open page violates, how often, and where first."""
    if not SCRIPT.is_file():
        pytest.skip("axe-core is not installed: npm install --no-save axe-core")
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.run(SCRIPT.read_text(encoding="utf-8") + "; 0")
    return page.run(FOUND)
