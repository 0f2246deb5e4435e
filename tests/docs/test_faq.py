"""The errors that the FAQ explains are those that the code says."""

import re

import pytest

from loralab.code import ROOT

QUOTED = re.findall(r'^### "(.*)"$', (ROOT / "docs" / "faq.md").read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def said() -> str:
    """The text of all messages, each in one piece."""
    files = [file for name in ("lora", "scaling") for file in (ROOT / name).rglob("*.py")]
    text = "\n".join(file.read_text("utf-8") for file in files)
    return re.sub(r'"\s*\n\s*f?"', "", text)


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_of_the_faq_is_one_of_the_code(message, said):
    parts = re.split(r"\.\.\.|'\w+'|\d+", message)  # what stands for a value
    parts = [part.strip(" ,()") for part in parts]
    assert any(parts)
    for part in filter(None, parts):
        assert part in said, part


def test_the_faq_has_messages():
    assert len(QUOTED) > 15
