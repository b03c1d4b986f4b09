"""Colours that people with colour-blindness can tell apart, and the words printed with each legal outcome.

Line colours are those of Okabe and Ito (2008) and Tol (2021), without the ones too pale on white or too dark on
black. Colour is never the only sign: every outcome also carries a word and a mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SERIES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#999933",
    "#AA4499",
    "#44AA99",
    "#BBA455",
    "#8C7AE6",
    "#7F7F7F",
)
"""One colour per chip, in order."""

PATTERNS = ("", "/", "x", ".")
"""Fill patterns that set a chip apart once the colours start again."""

IDLE = "#9AA3AD"
WANTED = "#7F7F7F"
SERVED = "#009E73"
LOW_END = "#56B4E9"
HIGH_END = "#E69F00"
CASH = "#0072B2"
DEBT = "#D55E00"
SPENT = "#999933"


def chip_colours(chips: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Chip → (colour, fill pattern), the same in every figure of a report; by name, so that nothing shuffles.

    Examples
    --------
    >>> chip_colours(["l20", "a100"])["a100"]
    ('#0072B2', '')
    """
    found = {}
    for index, chip in enumerate(sorted(set(chips))):
        turn, place = divmod(index, len(SERIES))
        found[chip] = (SERIES[place], PATTERNS[turn % len(PATTERNS)])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How an outcome is shown: class of the style sheet, mark, short words, and what it means."""

    tone: str
    mark: str
    short: str
    meaning: str


ANSWERS: dict[str, Answer] = {
    "NLR": Answer(
        tone="may",
        mark="✓",
        short="may: no licence required",
        meaning="no licence required, on condition of party screening and end use",
    ),
    "licence_free_named_party": Answer(
        tone="may", mark="✓", short="may: party freed by name", meaning="the rule frees this named party"
    ),
    "exception_with_notification": Answer(
        tone="duty",
        mark="✓",
        short="may, after prior notice",
        meaning="a licence exception may be used after the prior notice",
    ),
    "exception_no_notification": Answer(
        tone="duty",
        mark="✓",
        short="may, by exception",
        meaning="a licence exception may be used without notice",
    ),
    "licence_required": Answer(
        tone="licence", mark="!", short="needs a licence", meaning="a licence is needed; see the review policy"
    ),
    "prohibited_GP10_risk": Answer(
        tone="bar", mark="✕", short="may not", meaning="the act may breach General Prohibition 10"
    ),
    "needs_counsel": Answer(
        tone="counsel",
        mark="?",
        short="cannot tell: needs counsel",
        meaning="undetermined; a person must read the text",
    ),
    "not_applicable": Answer(
        tone="plain", mark="·", short="no chip changes hands", meaning="tokens are bought, not chips"
    ),
    "free": Answer(tone="may", mark="✓", short="free in this future", meaning="this branch's state leaves it free"),
    "licence": Answer(
        tone="licence", mark="!", short="licence in this future", meaning="this branch's state asks for a licence"
    ),
    "barred": Answer(tone="bar", mark="✕", short="barred in this future", meaning="this branch's state bars it"),
}
"""Outcome of the closed vocabulary → how it is shown."""


def answer(outcome: str) -> Answer:
    """How an outcome is shown; one that is not in the vocabulary is shown as it is."""
    known = ANSWERS.get(outcome)
    if known is not None:
        return known
    return Answer(tone="plain", mark="·", short=outcome.replace("_", " "), meaning="")
