"""Who receives: ownership by listed parties, and a list the user brings. No list of ours ships."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from chipwise.rules.law import Law
from chipwise.rules.objects import CaseSpec


class PartyFinding(NamedTuple):
    """Whether a party rule catches the buyer; None when a person must say, with the question."""

    caught: bool | None
    question: str


FREE = PartyFinding(False, "")


def party_finding(case: CaseSpec, law: Law, newest_source: dt.date) -> PartyFinding:
    """Apply the rule on affiliates of listed parties, and the user's own list.

    Notes
    -----
    A stay is plain law up to the newest source; past it, an answer that turns on the stay is left to a person.
    """
    if case.on_user_list:
        return PartyFinding(True, "listed_party")
    if case.buyer != "owned_by_listed_party" or law.affiliates == "none":
        return FREE
    share, line = case.listed_ownership_pct, law.parameters.get("affiliate_share")
    if line is None or (share is not None and share < law.parameters.get("affiliate_near_share", line)):
        return FREE
    settled = law.affiliates == "stayed" and case.on <= newest_source
    if settled:
        return FREE
    if law.affiliates != "in_force":
        return PartyFinding(None, "affiliate_unconfirmed")
    if share is None or share < line:
        return PartyFinding(None, "affiliate_share")
    return PartyFinding(True, "")
