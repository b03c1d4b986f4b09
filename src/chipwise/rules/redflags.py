"""Requests that describe arranging a deal so that a requirement is avoided are declined, with the flag named."""

from __future__ import annotations

import re

from chipwise.core.errors import RedFlag

_FLAGS: tuple[tuple[str, str], ...] = (
    ("shell buyer", r"\b(shell|front|dummy|straw|paper|proxy)[ -]?(company|companies|buyer|entity|entities|firm|purchaser|man)\b|\bnominee (buyer|owner|purchaser)"),
    ("hidden end user", r"\b(hide|hiding|conceal|disguis\w+|mask|obscure|not (disclose|reveal|mention))\b.{0,60}\b(end[- ]?user|buyer|owner|parent|headquarters|destination|chin\w+|russia\w*|iran\w*)\b|\bon behalf of (an? )?(undisclosed|unnamed|secret)"),
    ("false end use", r"\b(false|fake|fictitious|bogus|sham|pretend\w*|made[- ]up|misdeclar\w*|mislabel\w*|misstat\w*)\b.{0,40}\b(end[- ]?use\w*|use|purpose|declaration|certificate|paperwork|invoice|label|customer|order)\b|\b(mislabel|misdeclare|misclassif)\w*"),
    ("split shipments", r"\bsplit\w*\b.{0,40}\b(shipment|order|consignment|lot|purchase|deliver)\w*\b|\b(shipment|order|consignment)s?\b.{0,30}\bsplit\b|\bsmuggl\w*"),
    ("transshipment to hide the destination", r"\b(tran[s]?-?ship\w*|re-?rout\w+|divert\w*|onward (shipment|shipping)|route[ds]? (it |them )?(through|via))\b.{0,80}\b(hide|avoid|evade|evading|circumvent|bypass|around|china|russia|iran|banned|sanction\w*|without (a )?licen[cs]e)\b|\b(then|and) (quietly|secretly) (ship|send|move|forward)"),
    ("evasion", r"\b(evad\w+|circumvent\w*|bypass\w*|get(ting)? (a)?round|dodg\w+|skirt\w*|sidestep\w*|work(ing)? around)\b.{0,60}\b(export|licen[cs]\w*|control\w*|sanction\w*|restriction\w*|rule\w*|requirement\w*|ban|embargo\w*|bis|law)\b|\bavoid\w*\b.{0,30}\b(export control|licen[cs]e|licen[cs]ing|sanction|embargo)\w*"),
)
_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for name, pattern in _FLAGS)


def red_flag(text: str) -> str:
    """Name of the red flag a text describes, or empty.

    Examples
    --------
    >>> red_flag("buy through a shell company in Singapore"), red_flag("training language models")
    ('shell buyer', '')
    """
    return next((name for name, pattern in _PATTERNS if pattern.search(text)), "")


def refuse_red_flags(*texts: str) -> None:
    """Decline a request whose words describe arranging round a requirement.

    Raises
    ------
    RedFlag
        Naming the flag.
    """
    for text in texts:
        flag = red_flag(text) if text else ""
        if flag:
            raise RedFlag(
                f"declined: the request shows the red flag {flag!r} (15 CFR Part 732, Supplement No. 3); chipwise does not "
                "help to arrange a deal so that a requirement is avoided. Resolve the flag with counsel"
            )
