"""The answer to one question through time, and what changed between two days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chipwise.rules.decide import decide
from chipwise.rules.items import case_for
from chipwise.rules.objects import Answer, CaseSpec
from chipwise.rules.rulebook import Rulebook

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Days [first, until) on which one answer holds; `until` None for the last."""

    first: dt.date
    until: dt.date | None
    answer: Answer

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "from": self.first.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "classification": self.answer.classification,
            "licence_required": self.answer.licence_required,
            "outcome": self.answer.outcome,
            "review_policy": self.answer.review_policy,
            "open_question": self.answer.question or None,
        }


def timeline(
    case: CaseSpec, rulebook: Rulebook, first: dt.date | None = None, last: dt.date | None = None
) -> tuple[Stretch, ...]:
    """The stretches of constant answer between two days, both included.

    Parameters
    ----------
    case : CaseSpec
        Its own day is not used.
    first, last : datetime.date or None
        The whole rulebook when None.
    """
    start = first if first is not None else rulebook.coverage_from
    days = [start, *(day for day in rulebook.dates if day > start and (last is None or day <= last))]
    stretches: list[Stretch] = []
    for day in days:
        answer = decide(case.at(day), rulebook)
        if stretches and stretches[-1].answer == answer:
            continue
        if stretches:
            stretches[-1] = replace(stretches[-1], until=day)
        stretches.append(Stretch(first=day, until=None, answer=answer))
    return tuple(stretches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A chip and a destination whose answer differs between two days."""

    chip_id: str
    to: str
    before: Answer
    after: Answer

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        names = ("classification", "licence_required", "outcome", "review_policy")
        out: dict[str, Any] = {"chip": self.chip_id, "to": self.to}
        out["before"] = {name: getattr(self.before, name) for name in names}
        out["after"] = {name: getattr(self.after, name) for name in names}
        return out


def differences(
    first: dt.date,
    second: dt.date,
    rulebook: Rulebook,
    catalogue: Catalogue,
    *,
    destinations: Sequence[str] | None = None,
    chips: Sequence[str] | None = None,
    hq: str | None = None,
    other: Rulebook | None = None,
) -> Iterator[Change]:
    """Every chip and destination whose licence, outcome or review policy differs between two days.

    Parameters
    ----------
    hq : str or None
        Headquarters of the buyer; None takes a home firm, headquartered in each destination.
    other : Rulebook or None
        Rulebook of the second day, to compare two laws.
    """
    places = list(destinations or (row["code"] for row in rulebook.tables["country_groups"]["rows"]))
    book = other if other is not None else rulebook
    for chip_id in chips if chips is not None else catalogue.chips:
        base = case_for(chip_id, on=first, to="US", hq="US", rulebook=rulebook, catalogue=catalogue)
        for place in places:
            case = replace(base, to=place, hq=hq or place, asked_to=place, asked_hq=hq or place)
            before, after = decide(case, rulebook), decide(case.at(second), book)
            if before[1:4] != after[1:4]:
                yield Change(chip_id=chip_id, to=place, before=before, after=after)
