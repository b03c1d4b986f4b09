"""What a reader must know before acting: all warnings of plan and runway, merged and ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chipwise.report import text
from chipwise.report.figures import SENSE_NAMES

NOT_USED = " is not used: "
_RANKS = (
    ("counsel", 0),
    ("GP10", 0),
    ("runway runs from", 1),
    ("cash", 2),
    ("could not be known", 3),
    ("published after", 4),
    ("recheck", 4),
)


def flips(runway: Mapping[str, Any]) -> list[str]:
    """Sentences on senses that nobody's knowledge can settle: zero at one end, over a year at the other."""
    found = []
    for flip in runway.get("sensitive") or []:
        name = SENSE_NAMES.get(str(flip["sense"]), str(flip["sense"])).lower()
        inputs = " and ".join(str(entry) for entry in flip.get("inputs", []))
        found.append(
            f"The {name} runway runs from {text.years(flip['shortest_years'])} to {text.years(flip['longest_years'])} "
            f"depending on {inputs} alone."
        )
    return found


def weight_of(warning: str) -> int:
    """Rank of a warning for the first screen, most important first."""
    return min((rank for word, rank in _RANKS if word in warning), default=5)


def ranked_warnings(plan: Mapping[str, Any]) -> list[str]:
    """All warnings of plan and runway, each once, the most important first."""
    runway = plan.get("runway") or {}
    every = [*flips(runway), *map(str, plan.get("warnings", [])), *map(str, runway.get("warnings", []))]
    return sorted(together(dict.fromkeys(every)), key=weight_of)


def together(warnings: Iterable[str]) -> list[str]:
    """Warnings in their order, offers that are not used for one and the same reason named in one sentence."""
    found: dict[str, list[str]] = {}
    for warning in warnings:
        subject, joint, reason = warning.partition(NOT_USED)
        found.setdefault(reason if joint else warning, []).append(subject if joint else "")
    return [
        f"{', '.join(subjects)} {'is' if len(subjects) == 1 else 'are'} not used: {key}" if subjects[0] else key
        for key, subjects in found.items()
    ]
