"""Many decisions at once: chips, parties and days as arrays, on the same parameters and the same tests.

Every figure is turned into its place among the lines in force (which comparisons it meets), every country into its
standing, every day into its stretch of constant law. Cases with the same signature get the same answer, so each
signature is decided once, by the single path, and the answer is spread over the array. Reasons are rebuilt on demand
with `case_at`.
"""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from chipwise.core.errors import RuleError
from chipwise.rules.decide import decide
from chipwise.rules.law import Law
from chipwise.rules.objects import Answer, CaseSpec
from chipwise.rules.rulebook import Rulebook
from chipwise.rules.vocabulary import CLASSES, LICENCE, OUTCOMES, POLICIES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes = NDArray[np.int16]

BESIDE = frozenset({"tariff_2026", "exception_hbm"})
"""Tests that decide duties or words, never one of the four answers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Party:
    """A buyer in a place: the part of a case that is neither item nor day."""

    to: str
    hq: str = "unknown"
    route: str = "export_from_us"
    buyer: str = "commercial"
    buyer_name: str = ""
    listed_ownership_pct: float | None = None
    end_use: str = ""

    def on(self, item: CaseSpec, day: dt.date) -> CaseSpec:
        """The case of an item for this party on a day."""
        return replace(
            item,
            on=day,
            to=self.to,
            hq=self.hq,
            asked_to=self.to,
            asked_hq=self.hq,
            route=self.route,
            buyer=self.buyer,
            buyer_name=self.buyer_name,
            listed_ownership_pct=self.listed_ownership_pct,
            end_use=self.end_use,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """Answers of a grid of items × parties × days as codes; a code is a place in its vocabulary.

    Parameters
    ----------
    classification, licence_required, outcome, review_policy : (items, parties, days) int16
    """

    items: tuple[CaseSpec, ...]
    parties: tuple[Party, ...]
    days: tuple[dt.date, ...]
    classification: Codes
    licence_required: Codes
    outcome: Codes
    review_policy: Codes

    def case_at(self, item: int, party: int, day: int) -> CaseSpec:
        """The case of one cell, from which steps, margins and flips can be rebuilt."""
        return self.parties[party].on(self.items[item], self.days[day])

    def answer_at(self, item: int, party: int, day: int) -> tuple[str, str, str, str]:
        """The four words of one cell."""
        cell = item, party, day
        return (
            CLASSES[self.classification[cell]],
            LICENCE[self.licence_required[cell]],
            OUTCOMES[self.outcome[cell]],
            POLICIES[self.review_policy[cell]],
        )


def codes_of(answer: Answer) -> tuple[int, int, int, int]:
    """The four answers as places in their vocabularies."""
    return (
        CLASSES.index(answer.classification),
        LICENCE.index(answer.licence_required),
        OUTCOMES.index(answer.outcome),
        POLICIES.index(answer.review_policy),
    )


def sweep(items: Sequence[CaseSpec], parties: Sequence[Party], days: Sequence[dt.date], rulebook: Rulebook) -> Sweep:
    """Decide every item for every party on every day.

    Parameters
    ----------
    items : sequence of CaseSpec
        Only the item part of each is read.
    parties : sequence of Party
    days : sequence of datetime.date
    rulebook : Rulebook

    Returns
    -------
    Sweep
    """
    import numpy as np

    used, day_code = np.unique(np.array([rulebook.interval(day) for day in days], dtype=np.intp), return_inverse=True)
    grid = np.empty((4, len(items), len(parties), len(used)), dtype=np.int16)
    for k, index in enumerate(used):
        grid[..., k] = _one_stretch(items, parties, rulebook.dates[int(index)], rulebook)
    grid = np.take(grid, day_code.reshape(-1), axis=3)
    return Sweep(
        items=tuple(items),
        parties=tuple(parties),
        days=tuple(days),
        classification=grid[0],
        licence_required=grid[1],
        outcome=grid[2],
        review_policy=grid[3],
    )


def _one_stretch(items: Sequence[CaseSpec], parties: Sequence[Party], day: dt.date, rulebook: Rulebook) -> Codes:
    """Codes of every item and party under the law of one stretch of days."""
    import numpy as np

    signs = signs_of(rulebook, day)
    item_of, item_code = _groups([item_signature(item, signs) for item in items])
    party_of, party_code = _groups([party_signature(party, signs) for party in parties])
    table = np.empty((4, len(item_of), len(party_of)), dtype=np.int16)
    for j, party in enumerate(party_of):
        for i, item in enumerate(item_of):
            table[:, i, j] = codes_of(decide(parties[party].on(items[item], day), rulebook))
    return table[:, item_code[:, None], party_code[None, :]]


def _groups(signatures: Sequence[Any]) -> tuple[list[int], NDArray[np.intp]]:
    """First member of each distinct signature, and the group of every member."""
    import numpy as np

    seen: dict[Any, int] = {}
    first: list[int] = []
    codes = np.empty(len(signatures), dtype=np.intp)
    for index, signature in enumerate(signatures):
        code = seen.setdefault(signature, len(first))
        if code == len(first):
            first.append(index)
        codes[index] = code
    return first, codes


def place_among(value: float, lines: Sequence[float]) -> int:
    """Place of a figure among the lines: even on a line's upper side, odd exactly on one.

    Examples
    --------
    >>> [place_among(value, (1600.0, 4800.0)) for value in (1599.0, 1600.0, 1601.0, 4800.0, 9000.0)]
    [0, 1, 2, 3, 4]
    """
    return bisect.bisect_left(lines, value) + bisect.bisect_right(lines, value)


class Signs(NamedTuple):
    """What tells cases apart under one stretch of law."""

    lines: tuple[tuple[str, tuple[float, ...]], ...]
    named: frozenset[str]
    standing: dict[str, Any]


@functools.lru_cache(maxsize=256)
def signs_of(rulebook: Rulebook, day: dt.date) -> Signs:
    """Lines in force, chips named by a letter or a guidance, and the standing of every country."""
    law = rulebook.law(day)
    lines: dict[str, set[float]] = {}
    for name, test in law.tests.items():
        for part in () if name in BESIDE else itertools.chain.from_iterable(test):
            lines.setdefault(part.measure, set()).add(part.value)
    named = {chip for letter in law.letters for entry in letter.addressees.values() for chip in entry.named}
    by_code = _named_codes(law)
    return Signs(
        lines=tuple((measure, tuple(sorted(values))) for measure, values in lines.items()),
        named=frozenset(named) | frozenset(law.prc["named"] if law.prc is not None else ()),
        standing={code: code if code in by_code else _standing(code, law) for code in (*law.near, "unknown")},
    )


def item_signature(item: CaseSpec, signs: Signs) -> tuple[Any, ...]:
    """All that the law asks of an item, with figures as places among the lines."""
    figures = []
    for measure, lines in signs.lines:
        low, high = item.span(measure)
        figures.append((place_among(low, lines), place_among(high, lines), low == high))
    die: tuple[Any, ...] = ()
    if item.item_kind == "foundry_die":
        die = (
            item.die_node_nm,
            item.die_planar,
            item.die_transistors_bn,
            item.die_has_hbm,
            item.packager,
            item.designer_hq,
        )
    facts = (item.item_kind, item.vendor, item.maker_country, item.data_center_design, item.available_in_us)
    named = item.chip_id if item.chip_id in signs.named else ""
    return (*figures, *facts, item.firmware_locked, item.designer_hq, item.on_user_list, item.acquired_on, die, named)


def party_signature(party: Party, signs: Signs) -> tuple[Any, ...]:
    """All that the law asks of a party, with countries as their standing that day."""
    to, hq = signs.standing.get(party.to, party.to), signs.standing.get(party.hq, party.hq)
    name = party.buyer_name.casefold().strip()
    return to, hq, party.route, party.buyer, name, party.listed_ownership_pct, party.end_use


def _standing(code: str, law: Law) -> Any:
    """A country's place in every set of the law."""
    sets = [places for rule in law.requirements for places in (rule.destinations, rule.headquarters)]
    sets += [places for row in law.review for places in (row.destinations, row.headquarters)]
    for letter in law.letters:
        sets += [letter.destinations, letter.open_destinations, letter.headquarters]
    embargo = law.embargoes[code]["policy"] if code in law.embargoes else ""
    return embargo, code in law.near, law.near.get(code), *(places.get(code) for places in sets if places is not None)


def _named_codes(law: Law) -> frozenset[str]:
    """Countries that a rule in force names by code outside the sets of places, and ``unknown``."""
    codes = {"US", "unknown"}
    for row in law.exception_open:
        codes |= set(row["codes"])
    for reach in (*law.requirements, *law.open_requirements):
        codes |= reach.not_in
    for row in (*law.carve_outs, *law.named_licences):
        codes |= {*row["destinations"], str(row.get("headquarters", ""))}
    if law.prc is not None:
        codes |= set(law.prc["conflict_codes"])
    return frozenset(codes)


def decide_many(cases: Mapping[str, Any], rulebook: Rulebook) -> Codes:
    """Decide n cases given as columns: item, party and day by number.

    Parameters
    ----------
    cases : mapping
        ``items``, ``parties``, ``days`` (the distinct ones) and ``item``, ``party``, ``day``: (n,) integer arrays
        that pick from them.

    Returns
    -------
    (4, n) int16
        Codes of classification, licence, outcome and review policy.

    Raises
    ------
    RuleError
        When a column is missing.
    """
    import numpy as np

    missing = [name for name in ("items", "parties", "days", "item", "party", "day") if name not in cases]
    if missing:
        raise RuleError(
            f"no column {missing[0]!r}", place="decide_many", allowed="items, parties, days, item, party, day"
        )
    found = sweep(cases["items"], cases["parties"], cases["days"], rulebook)
    pick = cases["item"], cases["party"], cases["day"]
    return np.stack(
        [getattr(found, name)[pick] for name in ("classification", "licence_required", "outcome", "review_policy")]
    )
