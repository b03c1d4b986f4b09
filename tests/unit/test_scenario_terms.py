"""Terms of schema 0.3 in the file: read as written, refused with their place, absent from files of 0.2."""

from __future__ import annotations

import datetime as dt
from importlib import resources
from pathlib import Path

import pytest

from chipwise.core.errors import InputError
from chipwise.scenario import Scenario, load_scenario

OLD = (resources.files("chipwise") / "data" / "scenarios" / "small-startup-2023.yaml").read_text()
LEASE = (
    "  - {item: l20, access: lease, place: CN, price_series: {unit: kUSD per chip, series: [{date: 2023-11, value: 6, "
    "assume: a}, {date: 2024-06, value: 4, range: [3, 5], assume: falls}, {date: 2024-12, value: 7, assume: rises}]}, "
    "term_months: 24, lease_rate: 0.08, residual: 0.4, buy_out: true, "
    "price_factor_in_states: {h20_class_closed: 1.5}, monthly_cap: 64, lead_months: 2}\n"
)
SALE = (
    "  - {item: a800-80-sxm, access: sell, place: CN, price: {value: 10, unit: kUSD per chip, assume: a}, "
    "haircut: 0.2, monthly_cap: 16, lead_months: 1}\n"
)
MORE = (
    "limits: {power_mw: [{date: 2023-11, value: 0.2, assume: a}, {date: 2024-06, value: 0.5, assume: b}], "
    "servers: [{date: 2023-11, value: 40, assume: c}]}\n"
    "objective: {risk: {cvar_alpha: 0.9, weight: 0.3}}\n"
)
NEW = (
    OLD.replace("planning-scenario/0.2", "planning-scenario/0.3", 1)
    .replace("power: {price", LEASE + SALE + MORE + "power: {price", 1)
    .replace("  months: 18\n", "  months: 18\n  grid: quarters\n", 1)
    .replace("fleet_use: {", "fleet_use: {spare_share: 0.03, mixed_stages: true, ", 1)
)


def _load(text: str, tmp_path: Path) -> Scenario:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return load_scenario(file)


def test_every_term_is_read_in_its_unit(tmp_path: Path) -> None:
    scenario = _load(NEW, tmp_path)
    lease, sale = scenario.market[-2:]
    assert [day for day, _ in lease.price_path] == [dt.date(2023, 11, 1), dt.date(2024, 6, 1), dt.date(2024, 12, 1)]
    assert [price.value for _, price in lease.price_path] == [6000.0, 4000.0, 7000.0]
    assert (lease.price_path[1][1].low, lease.price_path[1][1].high) == (3000.0, 5000.0)
    assert lease.term_months is not None
    assert lease.term_months.value == 24.0
    assert lease.buy_out
    assert lease.price_factor_in_states["h20_class_closed"].value == 1.5
    assert sale.haircut is not None
    assert sale.haircut.value == 0.2
    assert sale.price_usd_per_chip is not None
    assert sale.price_usd_per_chip.value == 10_000.0
    assert [quantity.value for _, quantity in scenario.limits.power_w] == [2e5, 5e5]
    assert scenario.risk is not None
    assert (scenario.risk.cvar_alpha.value, scenario.risk.weight.value) == (0.9, 0.3)
    assert scenario.horizon.grid == "quarters"
    assert scenario.fleet_use.spare_share is not None
    assert scenario.fleet_use.mixed_stages


TWICE = "access: lease, place: CN, price: {value: 5, unit: kUSD per chip, assume: a},"
FAULTS = {
    "newer key in an older file": (NEW.replace("scenario/0.3", "scenario/0.2", 1), "not part of planning-scenario/0.2"),
    "sale in an older file": (OLD.replace("power: {price", SALE + "power: {price", 1), "`haircut` is not part of"),
    "lease without interest": (NEW.replace("lease_rate: 0.08, ", "", 1), "missing key `lease_rate`"),
    "lease without term": (NEW.replace("term_months: 24, ", "", 1), "missing key `term_months`"),
    "sale without haircut": (NEW.replace("haircut: 0.2, ", "", 1), "missing key `haircut`"),
    "haircut on a lease": (NEW.replace("buy_out: true", "haircut: 0.1", 1), "access lease has no haircut"),
    "price twice": (
        NEW.replace(
            "access: lease, place: CN,",
            "access: lease, place: CN, price: {value: 5, unit: kUSD per chip, assume: a},",
            1,
        ),
        "both `price` and `price_series`",
    ),
    "prices out of order": (
        NEW.replace("date: 2024-12, value: 7", "date: 2024-02, value: 7", 1),
        "dates do not ascend",
    ),
    "wrong unit": (
        NEW.replace("{unit: kUSD per chip, series", "{unit: USD per GPU-hour, series", 1),
        "is not one for money",
    ),
    "no such state": (NEW.replace("{h20_class_closed: 1.5}", "{h20_class_shut: 1.5}", 1), "no state 'h20_class_shut'"),
    "no future left": (NEW.replace("cvar_alpha: 0.9", "cvar_alpha: 1", 1), "leaves no future to count"),
    "weight above one": (NEW.replace("weight: 0.3", "weight: 1.3", 1), "out of bounds"),
    "negative power": (
        NEW.replace("value: 0.2, assume: a}, {date: 2024-06", "value: -0.2, assume: a}, {date: 2024-06", 1),
        "out of bounds",
    ),
    "grid misspelt": (NEW.replace("grid: quarters", "grid: quarter", 1), "nearest: quarters"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_place(name: str, tmp_path: Path) -> None:
    text, said = FAULTS[name]
    with pytest.raises(InputError) as caught:
        _load(text, tmp_path)
    assert said in caught.value.line()
    assert "mine.yaml:" in caught.value.line()


def test_files_of_the_older_schema_read_as_they_stand() -> None:
    scenario = load_scenario("small-startup-2023")
    assert scenario.risk is None
    assert scenario.horizon.grid == "auto"
    assert not scenario.limits.power_w
