"""A source of a claim or a method, as pages name it."""

from loralab.papers import TITLES


def cited(source: str) -> str:
    """A source as a link, with its title where it is known; what is derived here says so."""
    if source == "derived":
        return "derived here"
    title = f"*{TITLES[source]}*, " if source in TITLES else ""
    return f"{title}[arXiv:{source}](https://arxiv.org/abs/{source})"
