"""The conditions that several claims share, said once: the page of a family lists them at its head,
and a claim refers to them by number. Head and rest compose the registered text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEAST = 60  # letters: what is shorter is read sooner than it is looked up
ENDS = ("; ", ". ")
OPEN, CLOSE = "([{", ")]}"


class Shared(NamedTuple):
    """Texts without what several of them have in common.

    Args:
        head: what is shared.
        rests: the parts of each text by its name, in order: words of its own, or the index in
            `head` of what stands there.
    """

    head: tuple[str, ...]
    rests: Mapping[str, tuple[str | int, ...]]

    def whole(self, name: str) -> str:
        """The text as it was."""
        return "".join(self.head[p] if isinstance(p, int) else p for p in self.rests[name])

    def brief(self, name: str, called: str = "condition {}") -> str:
        """The text with a number, from 1, for each part that is shared."""
        return "".join(called.format(p + 1) if isinstance(p, int) else p for p in self.rests[name])


def shared(texts: Mapping[str, str]) -> Shared:
    """Find what several texts have in common.

    A sentence ends at "; " or ". " outside brackets and backticks. Sentences that follow each other
    wherever one of them stands are one run. A run is shared where at least two texts have it and it
    has at least `LEAST` letters.

    Args:
        texts: by name, such as the assumptions of a family's claims by their ids.
    """
    runs = _runs([sentences(text) for text in texts.values()])
    counts = Counter(run for found in runs for run in dict.fromkeys(found[::2]))
    common = [run for run, count in counts.items() if count > 1 and len(run) >= LEAST]
    place = {run: i for i, run in enumerate(common)}
    rests = (_parts(found, place) for found in runs)
    return Shared(tuple(common), dict(zip(texts, rests, strict=True)))


def sentences(text: str) -> list[str]:
    """The sentences of a text, and between each two of them what separates them."""
    found, begin, depth, code = [], 0, 0, False
    for i, letter in enumerate(text):
        code ^= letter == "`"
        depth = max(depth + (letter in OPEN) - (letter in CLOSE), 0)
        ends = text[i : i + 2] in ENDS and text[i - 1 : i] != " "  # " . " is a product
        if ends and depth == 0 and not code and i >= begin:
            found += [text[begin:i], text[i : i + 2]]
            begin = i + 2
    return [*found, text[begin:]]


def _runs(texts: Sequence[list[str]]) -> list[list[str]]:
    """The same texts with sentences joined that stand together wherever one of them stands."""
    after: dict[str, set[tuple[str, ...]]] = {}
    before: dict[str, set[tuple[str, ...]]] = {}
    for text in texts:
        for i in range(0, len(text), 2):
            after.setdefault(text[i], set()).add(tuple(text[i + 1 : i + 3]))
            before.setdefault(text[i], set()).add(tuple(text[max(i - 2, 0) : i]))
    joined = []
    for text in texts:
        run = text[:1]
        for i in range(2, len(text), 2):
            last, between, this = text[i - 2 : i + 1]
            if len(after[last]) == len(before[this]) == 1:
                run[-1] += between + this
            else:
                run += [between, this]
        joined.append(run)
    return joined


def _parts(run: Sequence[str], place: Mapping[str, int]) -> tuple[str | int, ...]:
    """Indices for what is shared, and what stands between them as one text each."""
    parts: list[str | int] = []
    for piece in run:
        part = place.get(piece, piece)
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        elif part != "":
            parts.append(part)
    return tuple(parts)
