"""Days and lines as the texts state them: what was public when, what holds from when, which figure meets which line."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import pytest
import yaml

from chipwise.rules import CaseSpec, check, load_rulebook
from chipwise.rules.library import entries
from chipwise.rules.logic import holds

STATED = Path(__file__).parents[1] / "situations" / "rules" / "stated"
DAY = dt.timedelta(days=1)
OWN_DAYS = {
    "records": "the duty to keep records is older than the rule it is filed under",
    "uae-listed-entities": "the clause of the rule ends by its own terms",
    "foundry_transistors_no_hbm": "the limit rises year by year by its own terms",
    "foundry_transistors_unsettled": "stands for the years whose figure was not read",
}
"""Rows whose days are their own, and why."""


def stated(name):
    return yaml.load((STATED / f"{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


PROVISIONS = {row["rule"]: row for row in stated("provisions")}


def last_day(value):
    """A day, or the last day of a month given as YYYY-MM."""
    if not isinstance(value, str):
        return value
    year, month = (int(part) for part in value.split("-"))
    return dt.date(year + month // 12, month % 12 + 1, 1) - DAY


def first_day(value):
    return dt.date.fromisoformat(f"{value}-01") if isinstance(value, str) else value


@pytest.mark.parametrize(
    "row", [row for row in PROVISIONS.values() if row["public"] is not None], ids=lambda row: row["rule"]
)
def test_a_provision_is_hidden_until_the_day_it_was_public(row):
    public, book = last_day(row["public"]), load_rulebook()
    before, after = (
        {entry["id"] for entry in book.known_on(day).tables["provisions"]} for day in (public - DAY, public)
    )
    assert row["rule"] not in before
    assert row["rule"] in after


@pytest.mark.parametrize("row", PROVISIONS.values(), ids=PROVISIONS)
def test_a_provision_shows_the_days_its_text_states(row):
    shown = entries(load_rulebook())[row["rule"]]
    assert (shown["effective"], shown["until"], shown["published"]) == (row["from"], row["until"], row["printed"])
    parts = [shown.get("effective_parts", {}), shown.get("compliance", {})]
    found = {day for part in parts for day in (part.values() if isinstance(part, dict) else [part])}
    assert found == set(row["parts"])


def days_of_rows():
    """Every row that rests on a provision: its name, provision, first day, last, and what ended it."""
    tables = load_rulebook().tables
    scope = ("requirements", "open_requirements", "embargoes", "exceptions", "exception_open", "review", "notes")
    lists = [*(tables["scope"][name] for name in scope), tables["letters"], tables["duties"]]
    lists += [tables["parties"]["carve_outs"], tables["parties"]["named_licences"]]
    for row in (row for rows in lists for row in rows):
        yield row["id"], row.get("provision", row["id"]), row["from"], row["until"], row.get("ended_by")
    for row in tables["letters"]:
        for vendor, entry in row["addressees"].items():
            yield f"{row['id']} {vendor}", row["id"], entry["from"], None, None
    for name, row in tables["tests"].items():
        yield name, row["provision"], row["from"], row["until"], row.get("ended_by")
    for name, row in tables["parameters"].items():
        for day, value in row["values"].items():
            yield name, row["provision"], *((None, day) if value is None else (day, None)), row.get("ended_by")
    for code, group, entry in (
        (row["code"], group, entry)
        for row in tables["country_groups"]["rows"]
        for group, entry in row["groups"].items()
        if isinstance(entry, dict) and "by" in entry
    ):
        yield f"{code} {group}", entry["by"], entry.get("until") or entry["from"], None, None


@pytest.mark.parametrize(
    ("name", "provision", "start", "end", "ended_by"),
    [row for row in days_of_rows() if row[0] not in OWN_DAYS and row[1]],
)
def test_a_row_holds_from_a_day_of_its_provision_to_a_day_of_the_one_that_ended_it(
    name, provision, start, end, ended_by
):
    own = PROVISIONS[provision]
    days = {first_day(own["from"] or own["public"]), *own["parts"]}
    if own["from"] is None:
        days = {first_day(own["public"]).replace(day=1)}
    assert start is None or start in days
    if end is not None:
        ends = PROVISIONS[ended_by or provision]
        assert end in {ends["from"], *ends["parts"], own["until"], *own["parts"]}


def test_compliance_begins_on_the_later_day_of_the_provision():
    rows = [row for row in load_rulebook().tables["scope"]["requirements"] if "compliance_from" in row]
    assert {row["id"] for row in rows} == {"foundry-2025", "foundry-2025-headquarters", "hbm-2024"}
    assert all(row["compliance_from"] == max(PROVISIONS[row["provision"]]["parts"]) for row in rows)


def test_rows_with_days_of_their_own_keep_them():
    tables = load_rulebook().tables
    known = {row["id"]: row for row in (*tables["duties"], *tables["parties"]["carve_outs"])}
    assert known["records"]["from"] == load_rulebook().coverage_from == dt.date(2022, 2, 24)
    assert known["uae-listed-entities"]["until"] == dt.date(2027, 4, 6)
    years = [dt.date(2025, 1, 16), dt.date(2027, 1, 1), dt.date(2028, 1, 1), dt.date(2029, 1, 1)]
    values = tables["parameters"]["foundry_transistors_no_hbm"]["values"]
    assert values == dict(zip(years, (30, 35, None, 40), strict=True))
    unsettled = tables["parameters"]["foundry_transistors_unsettled"]["values"]
    assert unsettled == {years[2]: 35, years[3]: None}


def inside(sign, value):
    """A figure that meets a comparison with room to spare."""
    return value * 1.001 if sign in (">", ">=") else value * 0.999


def case_at(row, figure, others):
    """A case that meets every other comparison of its row of the test, and has one figure."""
    figures = {part["measure"]: [part] for part in others}
    for part in others:
        figures[part["measure"]] = [*figures[part["measure"]], part]
    known = {name: inside(parts[0]["sign"], parts[0]["value"]) for name, parts in figures.items()}
    known[row["measure"]] = figure
    if "dram_plus_io_GBps" in known:
        total = known.pop("dram_plus_io_GBps")
        known |= {"dram_GBps": total - 1.0, "io_GBps": 1.0}
    for name in ("tpp", "perf_density", "mem_bw_density", "dram_GBps", "io_GBps"):
        known.setdefault(name, 0.0)
    return CaseSpec(on=row["day"], to="CN", **{name: (value, value) for name, value in known.items()})


@pytest.mark.parametrize("row", stated("lines"), ids=lambda row: row["line"])
def test_a_line_is_met_on_its_side_and_missed_on_the_other(row):
    """Below, at and above the line, by the comparison of the text, with its row's other comparisons met."""
    book = load_rulebook("proposed-bill-s3374" if row["line"].startswith("bill") else None)
    assert row["line"] not in book.law(row["day"] - DAY).parameters
    test = book.law(row["day"]).tests[row["test"]]
    limb = next(limb for limb in test if any(part.parameter == row["line"] for part in limb))
    others = [
        {"measure": part.measure, "sign": part.operator, "value": part.value}
        for part in limb
        if part.parameter != row["line"] and part.measure != row["measure"]
    ]
    value, figures = row["value"], (math.nextafter(row["value"], 0.0), row["value"], math.nextafter(row["value"], 1e9))
    if row["measure"] == "dram_plus_io_GBps":
        figures = value - 0.5, value, value + 0.5
    found = [holds((limb,), case_at(row, figure, others)) for figure in figures]
    wanted = {
        ">=": [False, True, True],
        ">": [False, False, True],
        "<": [True, False, False],
        "<=": [True, True, False],
    }
    assert found == wanted[row["sign"]]


def test_the_worked_bill_takes_its_exceptions_away_on_the_day_of_its_lines():
    book, day = load_rulebook("proposed-bill-s3374"), dt.date(2027, 1, 1)
    for route, last in (("export_from_us", "NAC"), ("in_country_transfer", "ACA")):
        question = {"to": "CN", "hq": "CN", "route": route, "rulebook": book}
        assert check("l40", on=day - DAY, **question).exception == last
        assert check("l40", on=day, **question).review_policy == "policy_of_denial"


@pytest.mark.parametrize("row", stated("chinese-side"), ids=lambda row: row["rule"])
def test_a_report_of_the_chinese_side_is_told_from_its_day_on(row):
    chip = (row["chips"] or ["ascend-910b" if row["makers"] else "l20"])[0]
    buyer = (row["buyers"] or ["commercial"])[0]

    def told(day):
        gate = check(chip, to="CN", hq="CN", on=day, buyer=buyer).china_gate
        return {(item["date"], item["status"]) for item in gate["items"]}

    mark = row["from"].isoformat(), row["status"]
    assert mark not in told(row["from"] - DAY)
    assert mark in told(row["from"])
    if row["until"] is not None:
        assert mark in told(row["until"] - DAY)
        assert mark not in told(row["until"])
    for other in row["chips"]:
        assert mark in {
            (item["date"], item["status"])
            for item in check(other, to="CN", hq="CN", on=row["from"]).china_gate["items"]
        }


def test_reports_of_the_chinese_side_stand_under_one_day_in_both_tables():
    tables = load_rulebook().tables
    side = next(row for row in tables["provisions"] if row["id"] == "china-side")
    reported = [item["date"] for item in side["items"]]
    told = {row["from"] for row in tables["china_gate"]["items"]}
    assert {day for day in reported if isinstance(day, dt.date)} <= told
    assert {day for day in reported if isinstance(day, str)} <= {f"{day:%Y-%m}" for day in told}
