"""`check`: may this buyer have this item, on this date?"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from chipwise.core.dates import first_day
from chipwise.core.errors import RuleError
from chipwise.rules import vocabulary
from chipwise.rules.decide import decide
from chipwise.rules.geography import country_code
from chipwise.rules.objects import CaseSpec
from chipwise.rules.redflags import refuse_red_flags
from chipwise.rules.rulebook import Rulebook, load_rulebook
from chipwise.rules.verdict import Verdict

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue


def verdict_of(case: CaseSpec, rulebook: Rulebook | None = None) -> Verdict:
    """Answer a case whose facts are already in hand.

    Parameters
    ----------
    case : CaseSpec
    rulebook : Rulebook or None
        The shipped one when None.

    Raises
    ------
    RedFlag
        When the stated buyer or end use describes arranging round a requirement.
    RuleError
        When a word or a code is not known, or the day lies before the rulebook.
    """
    book = rulebook if rulebook is not None else load_rulebook()
    refuse_red_flags(case.end_use, case.buyer_name)
    return Verdict(case=case, answer=decide(case, book), rulebook=book)


def check(
    item: str,
    *,
    to: str,
    hq: str = "unknown",
    on: dt.date | str,
    known_on: dt.date | str | None = None,
    route: str = "export_from_us",
    route_from: str = "US",
    buyer: str = "commercial",
    buyer_name: str = "",
    end_use: str = "",
    datacenter_design: bool | None = None,
    listed_ownership_pct: float | None = None,
    acquired_on: dt.date | str | None = None,
    party_list: str | Path | None = None,
    rulebook: Rulebook | None = None,
    catalogue: Catalogue | None = None,
) -> Verdict:
    """Whether a buyer may have a chip or a system on a day, with reasons.

    Parameters
    ----------
    item : str
        Chip id, alias, name or system id; a system takes the class of the chip inside.
    to : str
        ISO 3166 code of the place the item goes to.
    hq : str
        ISO code of the headquarters of the buyer or of its ultimate parent; ``unknown`` is never taken to be `to`.
    on : date or str
        Day of the transaction.
    known_on : date or str or None
        Leave out what was published after this day.
    route, route_from, buyer : str
        Words of `chipwise.rules.vocabulary`; ISO code of the country shipped from.
    buyer_name, end_use : str
        Name where a rule names the party; stated use in plain words.
    datacenter_design : bool or None
        Overrides the catalogue; None keeps what the catalogue says, and a workstation card is disputed.
    listed_ownership_pct : float or None
        Percent owned by listed parties.
    acquired_on : date or str or None
        For hardware held: the day it was acquired.
    party_list : str or Path or None
        A file of the user's own, one name a line; a name on it is a listed party.
    rulebook, catalogue : optional
        The shipped ones when None.

    Returns
    -------
    Verdict

    Raises
    ------
    UnknownName, RuleError
        When a name, word, code or date cannot be used.
    RedFlag
        When the request describes arranging round a requirement.

    Examples
    --------
    >>> check("h20-96", to="CN", hq="CN", on="2024-02-01").outcome
    'NLR'
    >>> check("a800-80-sxm", to="CN", hq="CN", on="2023-11-17").review_policy
    'presumption_of_denial'
    """
    from chipwise.rules.items import case_for

    book = rulebook if rulebook is not None else load_rulebook()
    if known_on is not None:
        book = book.known_on(first_day(known_on, place="--known-on"))
    if listed_ownership_pct is not None and not 0.0 <= listed_ownership_pct <= 100.0:
        raise RuleError(f"{listed_ownership_pct} is no share", place="--listed-ownership", allowed="0 to 100 percent")
    case = case_for(
        item,
        on=first_day(on, place="--on"),
        to=country_code(to, place="--to", rulebook=book),
        hq=country_code(hq, place="--hq", rulebook=book, unknown_allowed=True),
        route=vocabulary.one_of(route, vocabulary.ROUTES, "--route"),
        route_from=country_code(route_from, place="--route-from", rulebook=book) if route_from else "",
        buyer=vocabulary.one_of(buyer, vocabulary.BUYERS, "--buyer"),
        buyer_name=buyer_name,
        end_use=end_use,
        listed_ownership_pct=listed_ownership_pct,
        data_center_design=datacenter_design,
        acquired_on=None if acquired_on is None else first_day(acquired_on, place="--acquired-on"),
        on_user_list=party_list is not None and _listed(buyer_name, Path(party_list)),
        rulebook=book,
        catalogue=catalogue,
    )
    return verdict_of(case, book)


def _listed(name: str, path: Path) -> bool:
    """Whether a name stands in the user's own list, ignoring case and spacing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RuleError(f"the list cannot be read: {error.strerror}", place=str(path)) from None
    wanted = " ".join(name.casefold().split())
    return bool(wanted) and wanted in {" ".join(line.casefold().split()) for line in lines if line.strip()}
