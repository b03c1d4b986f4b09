"""Where the figures behind an estimate come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chipwise.core.errors import ChipwiseError
from chipwise.perf.tables import constants, read_rows


def sources_of(facts: Iterable[str], catalogue: Any = None) -> list[dict[str, Any]]:
    """Value and source of each fact id: chips, models, and the tables of this package.

    Parameters
    ----------
    facts : iterable of str
        Ids as results carry them.
    catalogue : Catalogue, optional
        The shipped one by default.
    """
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    return [_source(fact, catalogue) for fact in facts]


def _source(fact: str, catalogue: Any) -> dict[str, Any]:
    place, _, field = fact.partition("#")
    table, _, key = place.partition("/")
    value: Any = ""
    source = ""
    if table == "chips":
        value, source = _chip_source(catalogue, key, field)
    elif table == "models":
        model = catalogue.model(key)
        value, source = f"{getattr(model, field):.6g}", model.sources
    elif table == "utilisation":
        value, source = _utilisation_source(key, field)
    elif table == "operators":
        value, source = _operator_source(catalogue, key, field)
    elif place == "perf/constants":
        entry = constants()[field]
        value, source = f"{entry.value:g} {entry.unit}", entry.source
    elif place == "perf/day_load":
        row = next(row for row in read_rows("day_load.csv") if row["class"] == field)
        value, source = row["peak_to_mean"], row["source"]
    return {"id": fact, "value": value, "source": source}


def _chip_source(catalogue: Any, key: str, field: str) -> tuple[str, str]:
    from chipwise.catalogue.measures import chip_fact

    try:
        found = chip_fact(catalogue.chip(key), field)
    except ChipwiseError:
        return "", ""
    as_of = f", as of {found.as_of}" if found.as_of else ""
    text = f"{found.value:.4g} {found.unit}" if isinstance(found.value, float) else str(found.value)
    return text, f"{found.source}{as_of} ({found.status})"


def _utilisation_source(key: str, field: str) -> tuple[str, str]:
    rung, _, name = key.partition("/")
    rung = {"single-source": "chip"}.get(rung, rung)
    for row in read_rows("utilisation.csv"):
        place = (row["rung"], (row["key"] or "any").replace(" ", "-"), row["class"].replace(" ", "-"))
        if place == (rung, name, field):
            return row["value"], f"{row['method']}: {row['groups']}; {row['source']}"
    return "", ""


def _operator_source(catalogue: Any, key: str, operator: str) -> tuple[str, str]:
    from chipwise.perf.operators import EVIDENCE, operator_profile

    try:
        surface = operator_profile(catalogue.chip(key)).surface(operator, "bf16")
    except ChipwiseError:
        return "", ""
    return f"kernel tables of {', '.join(surface.donors)} ({EVIDENCE[surface.evidence]})", "; ".join(surface.sources)
