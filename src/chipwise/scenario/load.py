"""Load a scenario: a shipped one by its id, any other by its path."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.core.dates import add_months, first_day, month_start
from chipwise.core.errors import ScenarioError
from chipwise.core.names import nearest_names
from chipwise.scenario.border import Border
from chipwise.scenario.objects import Currency, Horizon, Quantity, Risk, Scenario

if TYPE_CHECKING:
    from chipwise.files.scenario_schema import ScenarioFile
    from chipwise.files.scenario_schema_outlook import Reading
    from chipwise.files.yaml_tree import YamlTree

_SUFFIX = ".yaml"
POOLED = "the members are planned as one buyer: chips are not lent across members, so no run has the whole pool"


def shipped_scenarios() -> tuple[str, ...]:
    """Ids of the scenarios that come with chipwise, in the order of their names."""
    folder = resources.files("chipwise") / "data" / "scenarios"
    return tuple(sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX)))


def load_scenario(
    name_or_path: str | Path, *, catalogue: Catalogue | None = None, reading: str | None = None
) -> Scenario:
    """Read a scenario and check it.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        Id of a shipped scenario (``baidu-2023``) or the path of a file. ``id@reading`` asks for a reading.
    catalogue : Catalogue, optional
        Chips, systems and models against which names are resolved; the shipped one unless given.
    reading : str, optional
        Which of the readings the file keeps of an order that sources print differently
        (``giants-2023-08``: ``ft``, the default, or ``article``).

    Returns
    -------
    Scenario

    Raises
    ------
    InputError
        With the place of the first fault: ``file.yaml:44 market[1].price.value: ...``.

    Examples
    --------
    >>> load_scenario("baidu-2023").horizon.months
    24
    """
    tree, asked = _tree(name_or_path)
    return scenario_of(tree, catalogue=catalogue, reading=reading or asked)


def scenario_bytes(name: str) -> bytes:
    """Content of a shipped scenario file.

    Raises
    ------
    ScenarioError
        When no shipped scenario has that id.
    """
    if name not in shipped_scenarios():
        raise ScenarioError(
            f"no shipped scenario is called {name!r}, and no such file",
            place="scenario",
            allowed=f"a path, or one of {', '.join(shipped_scenarios())}",
            nearest=nearest_names(name, shipped_scenarios()),
        )
    return (resources.files("chipwise") / "data" / "scenarios" / f"{name}{_SUFFIX}").read_bytes()


def _tree(name_or_path: str | Path) -> tuple[YamlTree, str | None]:
    from chipwise.files.yaml_tree import parse_yaml, read_yaml

    name = str(name_or_path)
    stem, at, asked = name.rpartition("@")
    if not at or isinstance(name_or_path, Path) or _exists(name):
        stem, asked = name, ""
    if isinstance(name_or_path, Path) or _is_path(stem):
        return read_yaml(stem), asked or None
    return parse_yaml(scenario_bytes(stem), file=f"{stem}{_SUFFIX}"), asked or None


def _is_path(name: str) -> bool:
    if name in shipped_scenarios():
        return False
    return "/" in name or "\\" in name or name.endswith((".yaml", ".yml")) or _exists(name)


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def scenario_of(tree: YamlTree, *, catalogue: Catalogue | None = None, reading: str | None = None) -> Scenario:
    """Check a parsed file and build the scenario; see `load_scenario`."""
    from chipwise.files.scenario_schema import read_scenario_file
    from chipwise.scenario.read_demand import read_demand, read_fleet_use, read_power
    from chipwise.scenario.read_finance import read_finance, read_members, read_party, read_stock
    from chipwise.scenario.read_market import read_limits, read_market
    from chipwise.scenario.read_outlook import check_only_in_states, check_state_factors, read_outlook, used_chips

    file = read_scenario_file(tree)
    taken, order, other = _reading(file, tree, reading)
    identity = f"{file.id}@{taken}" if other is not None else file.id
    border = Border(tree=tree, scenario_id=identity, rates=_rates(file), catalogue=catalogue or load_catalogue())
    as_of = _as_of(file, border)
    members = read_members(file, border, as_of)
    finance, warnings = read_finance(file, border, members, as_of)
    power, more = read_power(file, border)
    outlook = read_outlook(file, border, as_of, used_chips(file, border))
    market = read_market(file, border, other)
    check_only_in_states(market, outlook, file, border)
    check_state_factors(market, outlook, file, border)
    return Scenario(
        id=identity,
        title=tree.first_comment.removeprefix("Scenario:").strip() or file.id,
        as_of=as_of,
        question=file.question,
        currency=_currency(file, border),
        horizon=_horizon(file, border, as_of),
        party=read_party(file, border),
        finance=finance,
        stock=read_stock(file, border, as_of, members),
        fleet_use=read_fleet_use(file, border),
        demand=read_demand(file, border),
        market=market,
        power=power,
        outlook=outlook,
        exit_options=_exit_options(file, border),
        accept_needs_counsel=file.accept_needs_counsel.reason if file.accept_needs_counsel else None,
        truth=file.truth_for_backtest,
        expected=file.expected,
        ex_post=file.ex_post,
        sha256=tree.sha256,
        warnings=(*warnings, *more, *([POOLED] if members else [])),
        members=members,
        readings=tuple(file.alternatives.order.readings()) if file.alternatives else (),
        reading=taken,
        order=order,
        value_of_missing_chip_usd=border.money(file.value_of_missing_chip, "per chip"),
        funding_outlook=_funding(file, border),
        limits=read_limits(file, border),
        risk=_risk(file, border),
    )


def _reading(file: ScenarioFile, tree: YamlTree, asked: str | None) -> tuple[str, Mapping[str, object], Reading | None]:
    """Name of the reading taken, the order as read, and the reading where it is not the default."""
    if file.alternatives is None:
        if asked is not None:
            raise ScenarioError(f"no reading {asked!r}: the file has none", place=tree.place(()), allowed="no reading")
        return "", {}, None
    order = file.alternatives.order
    name = asked or order.default
    if name not in order.readings():
        allowed = ", ".join(order.readings())
        raise ScenarioError(f"no reading {name!r}", place=tree.place(order.path), allowed=allowed)
    raw: Mapping[str, object] = tree.value["alternatives"]["order"][name]
    return name, raw, order.readings()[name] if name != order.default else None


def _as_of(file: ScenarioFile, border: Border) -> dt.date:
    if not isinstance(file.as_of, dt.date):
        day = first_day(file.as_of)
        raise border.fail(("as_of",), f"{file.as_of!r} is no whole date", allowed=f"a day, such as {day}")
    return file.as_of


def _rates(file: ScenarioFile) -> dict[str, float]:
    """Units of each currency for one US dollar; only currencies for which the file gives a rate."""
    currency = file.currency
    rates = {"USD": 1.0}
    if currency.rmb_per_usd is not None and currency.rmb_per_usd.value is not None:
        rates["RMB"] = currency.rmb_per_usd.value
    unit = "RMB" if currency.unit == "CNY" else currency.unit
    if unit != "USD" and currency.per_usd.value is not None:
        rates[unit] = currency.per_usd.value
    return rates


def _currency(file: ScenarioFile, border: Border) -> Currency:
    rate = border.needed(file.currency.per_usd, f"{file.currency.unit}/USD")
    if file.currency.unit == "USD" and rate.value != 1.0:
        raise border.fail(file.currency.per_usd.path, f"{rate.value:g} USD for one USD", allowed="1")
    return Currency(unit=file.currency.unit, per_usd=rate)


def _horizon(file: ScenarioFile, border: Border, as_of: dt.date) -> Horizon:
    horizon = file.horizon
    end = add_months(month_start(as_of), horizon.months)
    if horizon.end is not None and month_start(first_day(horizon.end)) != end:
        message = f"end {horizon.end} is not {horizon.months} months after {as_of:%Y-%m}"
        raise border.fail((*horizon.path, "end"), message, allowed=f"{end:%Y-%m}, or another number of months")
    residual = horizon.residual_by_age_years
    path = residual.path
    if any(age < 1 or age > 100 for age in residual.value):
        raise border.fail((*path, "value"), "an age that is not 1 to 100 years", allowed="whole years from 1")
    return Horizon(
        months=horizon.months,
        residual_by_age_years=dict(sorted(residual.value.items())),
        residual_plus_minus=residual.plus_minus,
        residual_source=residual.source(),
        grid=horizon.grid or "auto",
    )


def _risk(file: ScenarioFile, border: Border) -> Risk | None:
    """Aversion to bad futures; alpha below one, else no future is left to count."""
    if file.objective is None or file.objective.risk is None:
        return None
    entry = file.objective.risk
    alpha = border.needed(entry.cvar_alpha)
    if alpha.high >= 1.0:
        raise border.fail(entry.cvar_alpha.path, f"{alpha.high:g} leaves no future to count", allowed="less than 1")
    return Risk(cvar_alpha=alpha, weight=border.needed(entry.weight))


def _exit_options(file: ScenarioFile, border: Border) -> tuple[Mapping[str, object], ...]:
    out: list[Mapping[str, object]] = []
    for option in file.exit_options:
        parts: dict[str, Quantity | None] = {
            "amount_usd": border.money(option.amount, "sum"),
            "cost_usd": border.money(option.cost, "sum"),
            "p_per_year": border.number(option.p_per_year, "1/year"),
        }
        out.append({"kind": option.kind, **{key: part for key, part in parts.items() if part is not None}})
    return tuple(out)


def _funding(file: ScenarioFile, border: Border) -> Mapping[str, object]:
    outlook = file.funding_outlook
    if outlook is None:
        return {}
    parts: dict[str, Quantity | None] = {
        "next_round_p_per_year": border.number(outlook.next_round_p_per_year, "1/year"),
        "amount_usd": border.money(outlook.amount, "sum"),
        "transfer_p_per_year": border.number(outlook.acquisition_or_team_transfer_p_per_year, "1/year"),
    }
    return {key: part for key, part in parts.items() if part is not None}
