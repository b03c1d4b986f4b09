"""Market lines of a scenario file: what is on sale, for how much, from when, and how fast."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from chipwise.core.dates import first_day
from chipwise.scenario.border import Border, Item, added, first, last
from chipwise.scenario.objects import Limits, MarketLine, Quantity

if TYPE_CHECKING:
    from chipwise.files.scenario_schema import ScenarioFile
    from chipwise.files.scenario_schema_market import DatedLimit, PriceSeries
    from chipwise.files.scenario_schema_market import MarketLine as LineEntry
    from chipwise.files.scenario_schema_numbers import Number
    from chipwise.files.scenario_schema_outlook import Reading


def read_market(file: ScenarioFile, border: Border, reading: Reading | None) -> tuple[MarketLine, ...]:
    """Market lines in the order of the file.

    Parameters
    ----------
    reading : Reading or None
        A reading of the order other than the default: its implied price takes the place of the price on the line
        of the ordered item.
    """
    return tuple(_late(_line(entry, border, reading)) for entry in file.market)


def _late(line: MarketLine) -> MarketLine:
    """Numbers of a line that could not be known on the day of the decision could not be known either."""
    if not line.ex_post:
        return line
    marked: dict[str, Any] = {
        field.name: replace(value, ex_post=True)
        for field in fields(line)
        if isinstance(value := getattr(line, field.name), Quantity)
    }
    series = tuple((day, replace(price, ex_post=True)) for day, price in line.api_usd_per_token)
    path = tuple((day, replace(price, ex_post=True)) for day, price in line.price_path)
    return replace(line, **marked, api_usd_per_token=series, price_path=path)


_ONLY_FOR = {
    "lease_rate": ("lease",),
    "residual": ("lease",),
    "buy_out": ("lease",),
    "term_months": ("lease", "rent"),
    "haircut": ("sell",),
}
"""Keys that mean something for some ways of access only."""


def _check_terms(entry: LineEntry, border: Border) -> None:
    for key, accesses in _ONLY_FOR.items():
        if getattr(entry, key) not in (None, False) and entry.access not in accesses:
            raise border.fail((*entry.path, key), f"access {entry.access} has no {key}", allowed=" or ".join(accesses))
    needed = {"lease": ("lease_rate",) if entry.term_months is not None else (), "sell": ("haircut",)}
    for key in needed.get(entry.access, ()):
        if getattr(entry, key) is None:
            raise border.fail((*entry.path, key), f"missing key `{key}`", allowed="a share, 0 for none")
    if entry.access == "lease" and entry.term_months is None and entry.lease_rate is not None:
        raise border.fail((*entry.path, "term_months"), "missing key `term_months`", allowed="months the lease binds")
    if entry.term_months is not None and entry.term_months.value is not None and entry.term_months.value < 1.0:
        raise border.fail((*entry.path, "term_months"), "a term below one month", allowed="1 or more")
    if entry.access == "sell" and entry.price is None and entry.price_series is None:
        raise border.fail(
            (*entry.path, "price"), "missing key `price`", allowed="price of the chip new, or price_series"
        )


def _line(entry: LineEntry, border: Border, reading: Reading | None) -> MarketLine:
    item = _item(entry, border)
    start, end = first(entry.from_), last(entry.until)
    if start and end and end < start:
        raise border.fail((*entry.path, "until"), "until before from", allowed=f"{start} or later")
    _check_terms(entry, border)
    chips = item.chips if item else 1.0
    price = rent = None
    price_unit = ""
    if entry.access in ("buy", "lease", "sell"):
        price, price_unit = _price(entry, border, item, reading)
    elif entry.access == "rent":
        rent = border.money(entry.price, "per hour")
    return MarketLine(
        id=f"market[{entry.path[-1]}]",
        item_id=item.item_id if item else None,
        chip_id=item.chip_id if item else None,
        chips_per_unit=max(1, round(chips)),
        access=entry.access,
        place=entry.place,
        available_from=start,
        available_until=end,
        price_usd_per_chip=price,
        price_unit=price_unit,
        rent_usd_per_chip_hour=rent,
        api_model=_api_model(entry, border),
        api_usd_per_token=_series(entry, border),
        monthly_cap_chips=_cap(entry, border, item, chips),
        lead_months=border.number(entry.lead_months, "months"),
        port_cost_usd=border.money(entry.port_cost, "sum"),
        available_probability=border.number(entry.available_p),
        import_gate_probability=border.number(entry.import_gate_p),
        only_in_states=tuple(entry.only_in_states),
        ex_post=entry.ex_post,
        note=entry.note or "",
        price_path=_price_path(entry, border),
        price_factor_in_states={
            state: border.needed(factor, "factor") for state, factor in entry.price_factor_in_states.items()
        },
        term_months=border.number(entry.term_months, "months"),
        lease_rate_per_year=border.number(entry.lease_rate, "1/year"),
        residual_share=border.number(entry.residual),
        buy_out=entry.buy_out,
        haircut=border.number(entry.haircut),
    )


def _item(entry: LineEntry, border: Border) -> Item | None:
    if entry.access == "api":
        if entry.item is not None:
            raise border.fail((*entry.path, "item"), "access api sells no item", allowed="model instead of item")
        return None
    if "item" not in entry.model_fields_set:
        allowed = "id of a chip or system; null when the type was not published"
        raise border.fail((*entry.path, "item"), "missing key `item`", allowed=allowed)
    if entry.model is not None:
        raise border.fail((*entry.path, "model"), f"access {entry.access} sells no model", allowed="access: api")
    return border.item(entry.item, (*entry.path, "item")) if entry.item is not None else None


def _price(entry: LineEntry, border: Border, item: Item | None, reading: Reading | None) -> tuple[Quantity | None, str]:
    """Price of a chip and what it includes; the share of the server is added to a bare module where it is given."""
    source: Number | None = entry.price
    part = reading.deliver_2023 if reading else None
    if reading and part and part.item and item and reading.implied_price:
        ordered = border.item(part.item, (*part.path, "item"))
        source = reading.implied_price if ordered.chip_id == item.chip_id else source
    price = border.money(source, "per chip")
    add_on = border.money(entry.server_add_on, "per chip")
    unit = source.unit if source is not None and source.unit else ""
    included = f"per {unit.split(' per ', 1)[1]}" if " per " in unit else ""
    if price is not None and add_on is not None and included == "per bare module":
        text = f"{price.source}; with server: {add_on.source}"
        return added(price.id, [price, add_on], text), "per chip with server"
    return price, included


def _cap(entry: LineEntry, border: Border, item: Item | None, chips: float) -> Quantity | None:
    given = [
        key for key in ("monthly_cap", "monthly_cap_servers", "monthly_cap_gpus") if getattr(entry, key) is not None
    ]
    if len(given) > 1:
        allowed = "one of monthly_cap, monthly_cap_servers and monthly_cap_gpus"
        raise border.fail((*entry.path, given[1]), f"both `{given[0]}` and `{given[1]}`", allowed=allowed)
    if entry.monthly_cap_servers is not None:
        if item is None or item.item_id == item.chip_id:
            place = (*entry.path, "monthly_cap_servers")
            raise border.fail(place, "the item is no server", allowed="monthly_cap, in chips")
        return border.number(entry.monthly_cap_servers, "chips", scale=chips)
    if entry.monthly_cap_gpus is not None:
        return border.number(entry.monthly_cap_gpus, "chips")
    return border.number(entry.monthly_cap, "chips", scale=chips)


def _api_model(entry: LineEntry, border: Border) -> str | None:
    if entry.access != "api":
        return None
    if entry.model is None:
        raise border.fail((*entry.path, "model"), "missing key `model`", allowed="id of a model of the catalogue")
    return border.model(entry.model, (*entry.path, "model"), shape=False)


def _series(entry: LineEntry, border: Border) -> tuple[tuple[dt.date, Quantity], ...]:
    if entry.access != "api":
        return ()
    if entry.price_series is None:
        raise border.fail((*entry.path, "price_series"), "missing key `price_series`", allowed="{unit, series}")
    return _dated_prices(entry.price_series, "per token", border)


def _price_path(entry: LineEntry, border: Border) -> tuple[tuple[dt.date, Quantity], ...]:
    """Dated prices of what is bought, leased, rented or sold."""
    if entry.access == "api" or entry.price_series is None:
        return ()
    if entry.price is not None and entry.access != "sell":
        raise border.fail(entry.price_series.path, "both `price` and `price_series`", allowed="one of them")
    return _dated_prices(entry.price_series, "per hour" if entry.access == "rent" else "per chip", border)


def _dated_prices(series: PriceSeries, kind: str, border: Border) -> tuple[tuple[dt.date, Quantity], ...]:
    out: list[tuple[dt.date, Quantity]] = []
    for point in series.series:
        day = first_day(point.date)
        if out and day <= out[-1][0]:
            raise border.fail((*point.path, "date"), "dates do not ascend", allowed=f"after {out[-1][0]}")
        price = border.money(point, kind, unit=series.unit)
        if price is not None:
            out.append((day, price))
    return tuple(out)


def read_limits(file: ScenarioFile, border: Border) -> Limits:
    """Power and space of the site by date; megawatts become watts."""
    if file.limits is None:
        return Limits()
    return Limits(
        power_w=_dated_limits(file.limits.power_mw, "W", 1e6, border),
        servers=_dated_limits(file.limits.servers, "servers", 1.0, border),
    )


def _dated_limits(
    entries: Sequence[DatedLimit], unit: str, scale: float, border: Border
) -> tuple[tuple[dt.date, Quantity], ...]:
    out: list[tuple[dt.date, Quantity]] = []
    for entry in entries:
        day = first_day(entry.date)
        if out and day <= out[-1][0]:
            raise border.fail((*entry.path, "date"), "dates do not ascend", allowed=f"after {out[-1][0]}")
        limit = border.needed(entry, unit, scale=scale)
        if limit.low < 0.0:
            raise border.fail((*entry.path, "value"), f"{limit.low / scale:g} is out of bounds", allowed="0 or more")
        out.append((day, limit))
    return tuple(out)
