"""The signs of the page: a verdict has a symbol and a word, never a colour alone."""

from loralab.claims import Outcome, Verdict

SYMBOLS: dict[Verdict | Outcome | None, str] = {
    Verdict.HOLDS: "✓",
    Verdict.CONDITIONS: "◐",
    Verdict.REFUTED: "✗",
    Verdict.SEEN: "(✓)",
    Verdict.SEEN_CONDITIONS: "(◐)",
    Verdict.NOT_SEEN: "(✗)",
    Verdict.INCONCLUSIVE: "?",
    Verdict.UNTESTABLE: "–",
    Outcome.SUPPORTED: "✓",
    Outcome.CONTRADICTED: "✗",
    Outcome.UNDECIDED: "?",
    None: "○",
}
LEGEND: dict[Verdict | None, str] = {
    Verdict.HOLDS: "every check supports the sentence, on something that it speaks about",
    Verdict.CONDITIONS: "some checks support it and others contradict it",
    Verdict.REFUTED: "the checks contradict it; of a universal sentence, one of them",
    Verdict.SEEN: "every check supports it, on something smaller than its source speaks about",
    Verdict.SEEN_CONDITIONS: "some checks support it there, and others contradict it",
    Verdict.NOT_SEEN: "the checks contradict it there",
    Verdict.INCONCLUSIVE: "an interval includes the bound: the data decide nothing",
    Verdict.UNTESTABLE: "what it would take is not here",
    None: "declared, and not measured yet",
}
# What a mark beside a check means.
WORDS = {
    "look 2": "the check was measured once before, so it is judged at 97.5 %; look 3 at 98.75 %",
    "exploratory": "not registered before it was measured",
    "our margin": "a bar of this project (is the effect relevant?), which does not decide the "
    "claim",
    "prediction excluded": "the interval excludes what our theory predicts, whatever the outcome",
    "reduced size": "measured by a quick run with few seeds: a check of the program, no evidence",
    "supported before Holm": "its interval alone supports it; undecided once all decisions of the "
    "family are corrected for their number",
    "contradicted before Holm": "its interval alone contradicts it; undecided once all decisions "
    "of the family are corrected for their number",
}
