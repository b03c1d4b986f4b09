"""Figures on which another database differs from the catalogue; both are kept, ours is used."""

from __future__ import annotations

import re

from chipwise.catalogue.load import dictionary
from chipwise.catalogue.measures import chip_fact
from chipwise.catalogue.objects import Chip
from chipwise.core.fact import Fact
from chipwise.files.columns import convert

OTHER = "Epoch AI, Data on machine learning hardware, CC BY 4.0"
_DIFFERENCE = re.compile(r"(\w+) ([\d.]+) vs [\d., ]+")


def second_opinions(chip: Chip) -> tuple[Fact, ...]:
    """What the Epoch AI hardware dataset says where it differs from our row by more than 3 %.

    Returns
    -------
    tuple of Fact
        Id ``chips/<id>#<field>@epoch``, value in SI; `note` gives our figure.

    Examples
    --------
    >>> from chipwise.catalogue import load_catalogue
    >>> [fact.value for fact in second_opinions(load_catalogue().chip("p40"))]
    [694300000000.0]
    """
    columns = {column.field: column for column in dictionary()["chips"]}
    found = []
    for match in _DIFFERENCE.finditer(chip.cross_check.partition("differ:")[2]):
        column = columns[match[1]]
        ours = chip_fact(chip, column.attribute)
        value = convert(match[2], column, place=f"chips.csv {chip.id} epoch_check")
        number = ours.value / column.factor if isinstance(ours.value, (int, float)) else None
        note = "ours: not known" if number is None else f"ours: {number:g} {column.unit}"
        found.append(
            Fact(id=f"{ours.id}@epoch", value=value, unit=ours.unit, source=OTHER, status="estimated", note=note)
        )
    return tuple(found)
