"""Country codes: what counts as one, and which is treated as another."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from chipwise.core.errors import RuleError
from chipwise.rules.rulebook import Rulebook

_ISO = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA "
    "CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA "
    "GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP "
    "KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS "
    "MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS "
    "RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW "
    "TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
ISO_CODES = frozenset(_ISO.split())
"""ISO 3166-1 alpha-2, and XK, which the country table uses for Kosovo."""


@functools.lru_cache(maxsize=8)
def country_names(rulebook: Rulebook) -> Mapping[str, str]:
    """Code to English name, for the codes of the country table."""
    return {row["code"]: row["name"] for row in rulebook.tables["country_groups"]["rows"]}


def country_code(text: str, *, place: str, rulebook: Rulebook, unknown_allowed: bool = False) -> str:
    """A country code in upper case; Hong Kong becomes China, as the rules treat it.

    Raises
    ------
    RuleError
        When it is no ISO code; the nearest codes by name are offered.
    """
    code = text.strip().upper()
    if unknown_allowed and code in ("UNKNOWN", ""):
        return "unknown"
    if code not in ISO_CODES:
        names = country_names(rulebook)
        found = (
            [key for key, name in names.items() if name.casefold().startswith(text.strip().casefold())]
            if text.strip()
            else []
        )
        allowed = "an ISO 3166 code of two letters" + (", or unknown" if unknown_allowed else "")
        raise RuleError(f"{text!r} is no country code", place=place, allowed=allowed, nearest=found[:3])
    return code


def as_treated(code: str, rulebook: Rulebook) -> str:
    """The code whose rules apply: HK is treated as CN."""
    treated: str = rulebook.tables["country_groups"]["treated_as"].get(code, code)
    return treated
