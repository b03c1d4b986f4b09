"""The few questions from which a first scenario is made, each answer checked at once.

An answer is text as a person types it. It is read against the catalogue and the law on the day of the decision, so a
name that is not known, a unit that does not fit or an item that may not be bought is told where it is asked.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue import Catalogue, Chip
from chipwise.catalogue.describe import price_history, select_chips
from chipwise.catalogue.when import date_span
from chipwise.core.dates import add_months, last_day
from chipwise.core.errors import ScenarioError
from chipwise.files.quantities import MONEY_FORMS, fits, money_unit
from chipwise.files.units import parse_number
from chipwise.rules import Rulebook, check, load_rulebook
from chipwise.rules.geography import country_code

FREE = frozenset({"NLR", "licence_free_named_party", "exception_with_notification", "exception_no_notification"})
"""Outcomes under which an item may be bought on the day."""
MOST_CHIPS, MOST_MONTHS, MOST_TOKENS = 10_000_000, 240, 1e18


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is known so far; `found` holds the answers already read, by key of their question."""

    catalogue: Catalogue
    rulebook: Rulebook
    found: Mapping[str, Any]

    @property
    def as_of(self) -> dt.date:
        """Day of the decision."""
        day: dt.date = self.found["as_of"]
        return day

    @property
    def end(self) -> dt.date:
        """First day after the horizon."""
        return add_months(self.as_of.replace(day=1), self.found["months"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question.

    Parameters
    ----------
    key : str
        Key of an answers file, and of the option on the command line.
    ask : str
        The question, with the form of the answer.
    read : callable
        Text and what is known so far → value; raises `InputError`.
    blank : bool
        Whether it may be left out.
    """

    key: str
    ask: str
    read: Callable[[str, Answers], Any]
    blank: bool = False


def _fail(place: str, text: str, allowed: str) -> ScenarioError:
    return ScenarioError(f"{text[:60]!r} is no answer", place=place, allowed=allowed)


def _name(text: str, _: Answers) -> str:
    if not 0 < len(text) <= 80 or not text.isprintable():
        raise _fail("name", text, "1 to 80 characters")
    return text


def _hq(text: str, known: Answers) -> str:
    return country_code(text, place="hq", rulebook=known.rulebook)


def _as_of(text: str, known: Answers) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise _fail("as_of", text, "YYYY-MM-DD") from None
    known.rulebook.law(day)
    return day


def _months(text: str, _: Answers) -> int:
    return int(_between(text, 1, MOST_MONTHS, "months", whole=True))


def _between(text: str, low: float, high: float, place: str, *, whole: bool = False) -> float:
    """A number within bounds."""
    value = parse_number(text[:400], place=place)
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise _fail(place, text, f"{kind} from {low:g} to {high:g}")
    return value


def _cash(text: str, _: Answers) -> tuple[float, str]:
    """Amount and unit, in US dollars."""
    match = re.fullmatch(r"\s*([0-9][0-9.,eE+]*)\s*(.*?)\s*", text)
    unit = money_unit(match[2]) if match else None
    if match is None or unit is None or not fits(unit, "sum") or unit.currency != "USD":
        allowed = ", ".join(form for form in MONEY_FORMS["sum"] if "USD" in form)
        raise _fail("cash", text, f"a number and a unit of US dollars: {allowed}")
    return _between(match[1], 0, 1e9, "cash"), match[2]


def _entries(text: str, key: str, least: int, most: int, form: str) -> Iterator[tuple[list[str], str]]:
    """Parts of each entry, entries set apart by semicolons, with the place of the entry."""
    for index, entry in enumerate(part for part in re.split(r"[;\n]", text) if part.strip()):
        parts, place = entry.split(), f"{key}[{index}]"
        if not least <= len(parts) <= most:
            raise _fail(place, entry.strip(), form)
        yield parts, place


def _stock(text: str, known: Answers) -> list[tuple[str, float]]:
    out: list[tuple[str, float]] = []
    for parts, place in _entries(text, "stock", 2, 99, "CHIP COUNT; ..., such as a800-80-sxm 32"):
        item = known.catalogue.item(" ".join(parts[:-1]))
        out.append((item.id, _between(parts[-1], 0, MOST_CHIPS, place)))
    return out


def _train(text: str, known: Answers) -> list[tuple[str, float, dt.date | None]]:
    out: list[tuple[str, float, dt.date | None]] = []
    for parts, place in _entries(text, "train", 2, 3, "MODEL TOKENS [DEADLINE]; ..., such as llama-2-7b 2e12 2024-06"):
        model = known.catalogue.model(parts[0])
        deadline = last_day(parts[2], place=place) if len(parts) == 3 else None
        if deadline is not None and deadline <= known.as_of:
            raise _fail(place, parts[2], f"a month after {known.as_of}")
        out.append((model.id, _between(parts[1], 1.0, MOST_TOKENS, place), deadline))
    return out


def _serve(text: str, known: Answers) -> tuple[str, float, float] | None:
    for parts, place in _entries(text, "serve", 3, 3, "MODEL TOKENS_A_DAY_NOW TOKENS_A_DAY_AT_THE_END"):
        if place != "serve[0]":
            raise _fail(place, " ".join(parts), "one class of tokens; more can be written into the file")
        model = known.catalogue.model(parts[0])
        first, last = (_between(part, 1.0, MOST_TOKENS, place) for part in parts[1:])
        return model.id, first, last
    if not known.found["train"]:
        raise _fail("serve", text, "something to serve, or something to train")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A chip on sale by the day: what the law says, and the price last known by then.

    Parameters
    ----------
    price_usd : float or None
        List, contract or estimate, USD per chip; street and resale prices are no offers.
    price_source : str
        Price observation it comes from.
    """

    chip: Chip
    outcome: str
    review_policy: str
    price_usd: float | None
    price_source: str

    @property
    def open(self) -> bool:
        """Whether the item may be bought, or the law on its maker's side is for counsel to read."""
        return self.outcome in FREE or self.outcome == "needs_counsel"


def offer(chip: Chip, known: Answers) -> Offer:
    """What the law and the price list say of a chip for this buyer on the day."""
    hq = known.found["hq"]
    verdict = check(chip.id, to=hq, hq=hq, on=known.as_of, rulebook=known.rulebook, catalogue=known.catalogue)
    seen = [
        row
        for row in price_history(known.catalogue, chip.id, rental=False)
        if row["kind"] in ("list", "contract", "estimate")
        and (date_span(row["date"]) or (dt.date.max,) * 2)[1] <= known.as_of
    ]
    price, source = (seen[-1]["usd_per_chip"], f"prices/{seen[-1]['id']}: {seen[-1]['source']}") if seen else (None, "")
    return Offer(
        chip=chip,
        outcome=verdict.outcome,
        review_policy=verdict.review_policy,
        price_usd=price,
        price_source=source,
    )


def open_offers(known: Answers) -> list[Offer]:
    """Data-center chips on sale by the day that this buyer may have, and home-made ones that are for counsel."""
    on_sale = select_chips(known.catalogue, market="datacenter", on=known.as_of)
    found = [offer(chip, known) for chip in on_sale]
    home = known.found["hq"]
    return [each for each in found if each.outcome in FREE or (each.open and each.chip.vendor_country == home)]


def _market(text: str, known: Answers) -> list[tuple[Offer, float, str, float, float]]:
    """Offer, price in USD per chip, its source, chips a month, months of lead."""
    out: list[tuple[Offer, float, str, float, float]] = []
    form = "CHIP USD_PER_CHIP CHIPS_A_MONTH LEAD_MONTHS; ..., such as l20 5000 64 3; `?` for the price last known"
    for parts, place in _entries(text, "market", 4, 4, form):
        found = offer(known.catalogue.chip(parts[0]), known)
        if not found.open:
            raise ScenarioError(
                f"{found.chip.id} is not free for a buyer with headquarters in {known.found['hq']} on {known.as_of}: "
                f"{found.outcome} ({found.review_policy})",
                place=place,
                allowed=", ".join(each.chip.id for each in open_offers(known)) or "no chip of the catalogue",
            )
        price, source = found.price_usd, found.price_source
        if parts[1] != "?":
            price, source = _between(parts[1], 0.0, 1e9, place), ""
        if price is None:
            raise _fail(place, parts[1], f"a price in USD: none of {found.chip.id} was known by {known.as_of}")
        month = _between(parts[2], 0, MOST_CHIPS, place)
        out.append((found, price, source, month, _between(parts[3], 0, 60, place)))
    return out


def _close(text: str, known: Answers) -> tuple[float, dt.date] | None:
    for parts, place in _entries(text, "close", 2, 2, "CHANCE MONTH, such as 0.3 2024-10"):
        chance = _between(parts[0], 0.0, 1.0, place)
        day = last_day(parts[1], place=place).replace(day=1)
        if not known.as_of < day < known.end:
            raise _fail(place, parts[1], f"a month after {known.as_of:%Y-%m} and before {known.end:%Y-%m}")
        return chance, day
    return None


QUESTIONS: tuple[Question, ...] = (
    Question(key="name", ask="Name of the buyer", read=_name),
    Question(key="hq", ask="Country of its headquarters (ISO code, such as CN)", read=_hq),
    Question(key="as_of", ask="Day of the decision (YYYY-MM-DD)", read=_as_of),
    Question(key="months", ask="Months to plan (such as 18)", read=_months),
    Question(key="cash", ask="Cash on that day (such as 15 USD m)", read=_cash),
    Question(key="stock", ask="Chips held (CHIP COUNT; ...; blank for none)", read=_stock, blank=True),
    Question(key="train", ask="To train (MODEL TOKENS [DEADLINE]; ...; blank for nothing)", read=_train, blank=True),
    Question(
        key="serve",
        ask="To serve (MODEL TOKENS_A_DAY_NOW TOKENS_A_DAY_AT_THE_END; blank for nothing)",
        read=_serve,
        blank=True,
    ),
    Question(
        key="market",
        ask="On offer (CHIP USD_PER_CHIP CHIPS_A_MONTH LEAD_MONTHS; ...; ? for the price known; blank for nothing)",
        read=_market,
        blank=True,
    ),
    Question(
        key="close",
        ask="Chance that chips of foreign makers are closed off later (CHANCE MONTH; blank for none)",
        read=_close,
        blank=True,
    ),
)


def nothing_known(catalogue: Catalogue) -> Answers:
    """Before the first question."""
    return Answers(catalogue=catalogue, rulebook=load_rulebook(), found={})


def answered(question: Question, text: str, known: Answers) -> Answers:
    """What is known with one more answer.

    Raises
    ------
    InputError
        When the answer cannot be used: place, what was given, what is allowed, nearest names.
    """
    if not text.strip() and not question.blank:
        raise ScenarioError("is blank", place=question.key, allowed=question.ask)
    value = question.read(text.strip(), known)
    return Answers(catalogue=known.catalogue, rulebook=known.rulebook, found={**known.found, question.key: value})


def answers_from(given: Mapping[str, str], catalogue: Catalogue) -> Answers:
    """All answers at once; those that may be blank and are not given are blank.

    Raises
    ------
    InputError
        The first answer that is missing or cannot be used.
    """
    missing = [question.key for question in QUESTIONS if not question.blank and question.key not in given]
    if missing:
        raise ScenarioError(f"no answer to {', '.join(missing)}", place="scenario new", allowed=_asked(missing))
    known = nothing_known(catalogue)
    for question in QUESTIONS:
        known = answered(question, given.get(question.key, ""), known)
    return known


def _asked(keys: Sequence[str]) -> str:
    return "; ".join(f"{question.key}: {question.ask}" for question in QUESTIONS if question.key in keys)
