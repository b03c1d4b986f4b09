"""Part 744: a stated end use that a person must read."""

from __future__ import annotations

from chipwise.rules.law import Law
from chipwise.rules.objects import CaseSpec


def end_use_question(case: CaseSpec, law: Law) -> str:
    """The question a stated end use raises, or empty."""
    text = case.end_use.casefold()
    if not text:
        return ""
    for row in law.end_uses:
        if any(word in text for word in row["words"]):
            return str(row["question"])
    return ""
