"""Which lawful chips could do the work of one chip, and how many of each: physics beside the law of a day.

Only chips the law leaves free on the day are ranked. What it leaves to counsel, and what may be had by a licence that
is weighed case by case, is listed by name without a rank; what would be refused is counted, not listed: this answers
what may be used, never what would come close to a line.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chipwise.catalogue import Catalogue, Chip, load_catalogue
from chipwise.core.errors import OutsideModelRange, Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf import estimate_training
from chipwise.perf.infer.bill import over
from chipwise.perf.infer.substitution import substitutes
from chipwise.planning.availability import FREE_OUTCOMES
from chipwise.rules import Verdict, check

Work = Literal["serve", "train"]
WEIGHED = frozenset({"case_by_case", "case_by_case_conditional_2026", "presumption_of_approval"})
"""Review policies under which a licence may be granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One chip that may stand in.

    Parameters
    ----------
    chips_for_one : Estimate
        How many replace one of the chip asked about, with interval (independent errors, combined in logarithms).
    chips : int
        How many replace the number asked about, in whole copies of the model when serving.
    rate : Estimate
        Tokens/s of one chip at this work: output tokens when serving.
    outcome, review_policy, import_gate : str
        Verdict of the day, how a licence would be weighed, and what was reported of the Chinese import gate.
    """

    chip_id: str
    name: str
    vendor_country: str
    outcome: str
    review_policy: str
    import_gate: str
    rate: Estimate
    chips_for_one: Estimate
    chips: int

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "chip": self.chip_id,
            "name": self.name,
            "vendor_country": self.vendor_country,
            "outcome": self.outcome,
            "review_policy": self.review_policy,
            "import_gate": self.import_gate,
            "rate": self.rate.to_dict(),
            "chips_for_one": self.chips_for_one.to_dict(),
            "chips": self.chips,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """The answer: ranked free chips, those for counsel or a licence, and what was left out and why.

    `undetermined` gives the reason for each chip that may be had and has no rate for this work.
    """

    chip_id: str
    model_id: str
    work: Work
    count: int
    to: str
    hq: str
    on: dt.date
    free: tuple[Alternative, ...]
    counsel: tuple[Alternative, ...]
    by_licence: tuple[Alternative, ...]
    licence_or_barred: int
    undetermined: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "chip": self.chip_id,
            "model": self.model_id,
            "work": self.work,
            "count": self.count,
            "to": self.to,
            "hq": self.hq,
            "on": self.on,
            "free": [entry.to_dict() for entry in self.free],
            "counsel": [entry.to_dict() for entry in self.counsel],
            "by_licence": [entry.to_dict() for entry in self.by_licence],
            "licence_or_barred": self.licence_or_barred,
            "undetermined": dict(self.undetermined),
            "not_legal_advice": True,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Physics:
    """What one chip does, law aside: rate and ratio, or why there is none."""

    rate: Estimate | None
    ratio: Estimate | None
    copy: int
    why_not: str


def _serving(
    asked: Chip, model: str, among: list[Chip], tpot_s: float | None, ttft_s: float | None, catalogue: Catalogue
) -> dict[str, _Physics]:
    found = substitutes(asked, model, among=among, tpot_s=tpot_s, ttft_s=ttft_s, catalogue=catalogue)
    return {
        one.chip_id: _Physics(
            rate=one.rate, ratio=one.chips_for_one, copy=max(1, one.chips_per_copy), why_not=one.why_not
        )
        for one in found
    }


def _training(asked: Chip, model: str, among: list[Chip], catalogue: Catalogue) -> dict[str, _Physics]:
    own = estimate_training(asked, model, catalogue=catalogue).tokens_per_s_per_chip
    out: dict[str, _Physics] = {}
    for chip in among:
        try:
            found = estimate_training(chip, model, catalogue=catalogue)
        except (Undetermined, OutsideModelRange) as error:
            out[chip.id] = _Physics(rate=None, ratio=None, copy=1, why_not=error.message)
            continue
        too_big = next((note for note in found.notes if note.startswith("does not fit")), "")
        rate = found.tokens_per_s_per_chip
        ratio = over(own, rate, 1.0, "chips", "ratio of tokens/s a chip in a run of the usual size")
        out[chip.id] = (
            _Physics(rate=None, ratio=None, copy=1, why_not=too_big)
            if too_big
            else _Physics(rate=rate, ratio=ratio, copy=1, why_not="")
        )
    return out


RELEASE = re.compile(r"^(\d{4})(?:-(0[1-9]|1[0-2])(?!\d)(?:-([0-3]\d))?|-Q([1-4])|-H([12]))?")


def _on_sale(chips: Iterable[Chip], on: dt.date) -> Iterator[Chip]:
    """Chips shipped by a day; one whose release is not known is not offered."""
    for chip in chips:
        released = _release_day(chip.released)
        if chip.status == "shipped" and released is not None and released <= on:
            yield chip


def _release_day(text: str) -> dt.date | None:
    """First day a release text allows: a day, month, quarter, half or year at its start; None when it says none."""
    found = RELEASE.match(text)
    if found is None:
        return None
    year, month, day, quarter, half = found.groups()
    first_month = int(month) if month else 3 * int(quarter) - 2 if quarter else 6 * int(half) - 5 if half else 1
    return dt.date(int(year), first_month, int(day) if day else 1)


def alternatives(
    chip: str,
    *,
    to: str,
    hq: str,
    on: dt.date,
    model: str,
    work: Work = "serve",
    count: int = 1,
    tpot_s: float | None = None,
    ttft_s: float | None = None,
    catalogue: Catalogue | None = None,
) -> Alternatives:
    """Chips that may lawfully do the work of `chip` on a day, best first.

    Parameters
    ----------
    chip, model : str
        Catalogue names.
    to, hq : str
        Destination and headquarters, ISO 3166 codes; `hq` may be ``unknown``.
    on : datetime.date
    work : {"serve", "train"}
    count : int
        How many of `chip` are to be replaced.
    tpot_s, ttft_s : float, optional
        Targets of serving, s.

    Raises
    ------
    Undetermined
        When the chip asked about has no rate at this work.
    """
    catalogue = catalogue or load_catalogue()
    asked = catalogue.chip(chip)
    verdicts: dict[str, Verdict] = {}
    closed = 0
    for other in _on_sale(catalogue.chips.values(), on):
        if other.id == asked.id:
            continue
        route = "local_purchase" if other.vendor_country == to == hq else "export_from_us"
        found = check(other.id, to=to, hq=hq, on=on, route=route, catalogue=catalogue)
        weighed = found.outcome == "licence_required" and found.review_policy in WEIGHED
        if weighed or found.outcome in (*FREE_OUTCOMES, "needs_counsel"):
            verdicts[other.id] = found
        else:
            closed += 1
    among = [catalogue.chip(name) for name in verdicts]
    physics = (
        _training(asked, model, among, catalogue)
        if work == "train"
        else _serving(asked, model, among, tpot_s, ttft_s, catalogue)
    )
    rows: dict[str, list[Alternative]] = {"free": [], "counsel": [], "licence": []}
    unknown: dict[str, str] = {}
    for name, verdict in sorted(verdicts.items()):
        did = physics[name]
        if did.rate is None or did.ratio is None:
            unknown[name] = did.why_not
            continue
        kind = {"needs_counsel": "counsel", "licence_required": "licence"}.get(verdict.outcome, "free")
        rows[kind].append(_row(catalogue.chip(name), verdict, did.rate, did.ratio, did.copy, count))
    return Alternatives(
        chip_id=asked.id,
        model_id=catalogue.model(model).id,
        work=work,
        count=count,
        to=to,
        hq=hq,
        on=on,
        free=tuple(sorted(rows["free"], key=lambda entry: (entry.chips_for_one.value, entry.chip_id))),
        counsel=tuple(rows["counsel"]),
        by_licence=tuple(rows["licence"]),
        licence_or_barred=closed,
        undetermined=unknown,
    )


def _row(chip: Chip, verdict: Verdict, rate: Estimate, ratio: Estimate, copy: int, count: int) -> Alternative:
    gate = verdict.china_gate
    return Alternative(
        chip_id=chip.id,
        name=chip.name,
        vendor_country=chip.vendor_country,
        outcome=verdict.outcome,
        review_policy=verdict.review_policy,
        import_gate=str(gate["status"]) if gate["applies"] else "not_applicable",
        rate=rate,
        chips_for_one=ratio,
        chips=math.ceil(ratio.value * count / copy - 1e-9) * copy,
    )
