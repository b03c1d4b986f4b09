"""Is the item subject to the US rules, and is it presumed made in breach of them?"""

from __future__ import annotations

from typing import Literal

from chipwise.rules.law import Law
from chipwise.rules.objects import CaseSpec

Subject = Literal["subject", "foreign_made", "presumed_in_breach"]


def subject_of(case: CaseSpec, law: Law, classes: frozenset[str]) -> Subject:
    """Whether the item is taken as subject to the rules.

    Parameters
    ----------
    classes : frozenset of str
        Every list entry the known figures allow (``a``, ``b``, ``none`` ...).

    Returns
    -------
    {"subject", "foreign_made", "presumed_in_breach"}
        An item of a US maker, or of a maker not known, is taken as subject (15 CFR 734.9(h) reaches nearly every
        leading-edge accelerator). A Chinese item in 3A090 is presumed made in breach from the day of the guidance.
    """
    if not case.maker_country or case.maker_country in law.makers_subject:
        return "subject"
    prc = law.prc
    if prc is None or case.maker_country not in prc["makers"]:
        return "foreign_made"
    listed = bool(classes) and not classes & {"none", "ic_2022"}
    return "presumed_in_breach" if listed or case.chip_id in prc["named"] else "foreign_made"
