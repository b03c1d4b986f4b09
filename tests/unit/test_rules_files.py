"""Cases from files, scoring, overlays, and the shipped tables."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import RuleError
from chipwise.rules import check, load_rulebook
from chipwise.rules.cases import read_cases
from chipwise.rules.dated import member, value_on
from chipwise.rules.overlay import apply_overlay, read_overlay, shipped_overlays
from chipwise.rules.vocabulary import CLASSES, OUTCOMES, POLICIES
from chipwise.validation.rules import validate_rules

HEADER = "id,item_kind,chip_id,tpp,datacenter_design,as_of,route,destination,buyer,buyer_hq"
GOOD = "r1,chip,h100-sxm,,,2024-01-15,export_from_us,CN,commercial,CN"


def rows_of(tmp_path, *lines, header=HEADER):
    path = tmp_path / "cases.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return list(read_cases(path, load_rulebook(), load_catalogue()))


def test_the_shipped_rows_agree_on_all_four_answers():
    result = validate_rules()
    wrong = [row["id"] for row in result["rows"] if row["agrees"] is False]
    assert (wrong, result["free_where_licence"], result["errors"]) == ([], 0, 0)
    assert result["n"] == len(result["rows"]) == result["agree"] + result["wrong"]
    inexact = [row for row in result["rows"] if not row["exact"]]
    assert all(row["outcome"] == "needs_counsel" for row in inexact)


def test_a_filled_cell_wins_and_a_blank_one_comes_from_the_catalogue(tmp_path):
    rows = rows_of(tmp_path, GOOD, GOOD.replace("h100-sxm,,", "h100-sxm,1500,"))
    assert rows[0].case.tpp[0] <= 15830.4 <= rows[0].case.tpp[1]
    assert rows[1].case.tpp == (1500.0, 1500.0)
    assert rows[1].case.data_center_design is True


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("chip,h100", "card,h100", "item_kind"),
        ("h100-sxm", "h100-smx", "h100"),
        ("h100-sxm,,", "h100-sxm,many,", "tpp"),
        ("h100-sxm,,", "h100-sxm,-1,", "tpp"),
        (",,2024", ",2,2024", "datacenter_design"),
        ("2024-01-15", "15/01/2024", "as_of"),
        ("export_from_us", "teleport", "route"),
        (",CN,commercial", ",Atlantis,commercial", "destination"),
        ("commercial", "friend", "buyer"),
        (",CN,commercial,CN", ",CN,commercial", "cells"),
    ],
)
def test_a_bad_row_is_located_and_the_others_are_answered(tmp_path, old, new, place):
    rows = rows_of(tmp_path, GOOD, GOOD.replace(old, new, 1), GOOD)
    assert rows[0].case is not None
    assert rows[2].case is not None
    assert rows[1].case is None
    assert place in rows[1].error.line()


def test_a_figure_may_be_large_but_not_absurd(tmp_path):
    rows = rows_of(tmp_path, *(GOOD.replace("h100-sxm,,", f"h100-sxm,{value},") for value in ("0", "1e9", "1.1e9")))
    assert [row.case is not None for row in rows] == [True, True, False]


def test_a_row_that_shows_a_red_flag_is_refused_and_the_rest_answered(tmp_path):
    path = tmp_path / "cases.csv"
    lines = (HEADER + ",end_use", GOOD + ",split the order into small shipments", GOOD + ",research")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = validate_rules(path)["rows"]
    assert "split shipments" in rows[0]["error"]
    assert rows[1]["outcome"] == "licence_required"


def test_a_bad_file_is_refused(tmp_path):
    with pytest.raises(RuleError, match="no column as_of"):
        rows_of(tmp_path, header="id,item_kind,destination")
    with pytest.raises(RuleError, match=r"unknown column 'end_uses'.*nearest: end_use"):
        rows_of(tmp_path, header=HEADER + ",end_uses")
    assert rows_of(tmp_path, GOOD + ",red", header=HEADER + ",colour")[0].case is not None
    with pytest.raises(RuleError, match="cannot be read"):
        list(read_cases(tmp_path / "none.csv", load_rulebook(), load_catalogue()))
    binary = tmp_path / "bin.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(RuleError):
        list(read_cases(binary, load_rulebook(), load_catalogue()))


def test_rows_without_expected_answers_are_not_judged(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n", encoding="utf-8")
    result = validate_rules(path)
    assert (result["n"], result["agree"], result["wrong"]) == (1, 0, 0)
    assert result["rows"][0]["agrees"] is None


def test_a_contested_row_takes_the_listed_answer_or_counsel(tmp_path):
    columns = HEADER + ",expected_class,licence_required,expected_outcome,review_policy,contested"
    unknown = "r1,chip,h100-sxm,,,2024-01-15,export_from_us,SG,commercial,unknown,3a090_a,no,NLR,not_applicable,"
    free = GOOD + ",3a090_a,no,NLR,not_applicable,"
    path = tmp_path / "cases.csv"
    path.write_text("\n".join((columns, unknown + "1", unknown + "0", free + "1")) + "\n", encoding="utf-8")
    assert [row["agrees"] for row in validate_rules(path)["rows"]] == [True, False, False]


def test_free_where_the_source_says_licence_is_counted(tmp_path):
    columns = HEADER + ",expected_class,licence_required,expected_outcome,review_policy,contested"
    line = GOOD.replace("h100-sxm", "t4") + ",at_only,yes,licence_required,presumption_of_denial,0"
    path = tmp_path / "cases.csv"
    path.write_text(f"{columns}\n{line}\n", encoding="utf-8")
    assert validate_rules(path)["free_where_licence"] == 1


@pytest.mark.parametrize("name", sorted(shipped_overlays()))
def test_shipped_overlays_load_and_leave_the_shipped_law_alone(name):
    shipped = load_rulebook()
    before = shipped.digest
    book = load_rulebook(name)
    assert book.digest != before
    assert load_rulebook().digest == before
    assert read_overlay(name)[0]["describe"]


def test_three_worked_overlays_change_what_they_say():
    def outcome(item, book, **question):
        return check(item, to="CN", hq="CN", rulebook=load_rulebook(book), **question).outcome

    assert outcome("a800-80-sxm", "no-october-2023", on="2024-06-01") == "NLR"
    assert outcome("h100-sxm", "no-october-2023", on="2024-06-01") == "licence_required"
    assert outcome("rtx-4090d", "tpp-line-2400", on="2024-06-01") == "exception_with_notification"
    assert outcome("l40", "tpp-line-2400", on="2024-06-01") == "licence_required"
    assert outcome("h20-96", "proposed-bill-s3374", on="2026-12-31") == "licence_required"
    bill = check("rtx-4090", to="CN", hq="CN", on="2027-01-01", rulebook=load_rulebook("proposed-bill-s3374"))
    assert (bill.outcome, bill.review_policy) == ("licence_required", "policy_of_denial")
    assert outcome("rtx-4090", None, on="2026-12-31") == outcome("rtx-4090", "proposed-bill-s3374", on="2026-12-31")


def test_an_overlay_file_of_the_users_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nparameters:\n  a_tpp: {2023-11-17: 1000}\n", encoding="utf-8")
    book = load_rulebook(path)
    verdict = check("l20", to="CN", hq="CN", on="2024-06-01", rulebook=book)
    assert (verdict.outcome, verdict.to_dict()["rulebook"]) == ("licence_required", "mine")


def test_a_rule_ends_by_data():
    overlay = {"change": {"tests.class_a": {"until": dt.date(2024, 6, 1)}}}
    book = apply_overlay(load_rulebook(), overlay, "ended")
    on = {"to": "CN", "hq": "CN", "rulebook": book}
    assert check("h100-sxm", on="2024-05-31", **on).classification == "3a090_a"
    assert check("h100-sxm", on="2024-06-01", **on).classification == "3a090_b"
    ceased = {"parameters": {"a_tpp": {dt.date(2023, 11, 17): 4800, dt.date(2024, 6, 1): None}}}
    book = apply_overlay(load_rulebook(), ceased, "ceased")
    assert check("mi300x", to="CN", hq="CN", on="2024-05-31", rulebook=book).classification == "3a090_a"
    assert check("gaudi2", to="CN", hq="CN", on="2024-06-01", rulebook=book).outcome == "needs_counsel"


def test_rows_can_be_added_and_removed():
    overlay = {
        "remove": ["headquarters-2023"],
        "add": {
            "scope.requirements": [
                {
                    "id": "brazil",
                    "classes": ["a"],
                    "from": dt.date(2024, 1, 1),
                    "until": None,
                    "destinations": {"codes": ["BR"]},
                }
            ]
        },
    }
    book = apply_overlay(load_rulebook(), overlay, "test")
    assert check("h100-sxm", to="SG", hq="CN", on="2024-06-01", rulebook=book).outcome == "NLR"
    assert check("h100-sxm", to="BR", hq="BR", on="2024-06-01", rulebook=book).outcome == "licence_required"
    assert check("h100-sxm", to="BR", hq="BR", on="2023-12-31", rulebook=book).outcome == "NLR"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "is a mapping"),
        ("colour: red", "unknown section 'colour'"),
        ("parameters: {a_tp: {2023-11-17: 1}}", "nearest: a_tpp"),
        ("parameters: {a_tpp: 5}", "dated values"),
        ("parameters: {a_tpp: {2023-11-17: high}}", "cannot be used"),
        ("parameters: [a_tpp]", "is a mapping"),
        ("remove: acs", "list of ids"),
        ("remove: [acs-2023-11]", "nearest: acs-2023-10"),
        ("change: {tests.class_z: {until: null}}", "no row 'class_z'"),
        ("change: {nowhere.x: {until: null}}", "no table 'nowhere'"),
        ("change: {tests: {until: null}}", "names no row"),
        ("change: {tests.class_a: {any: [[tpp >> a_tpp]]}}", "not a comparison"),
        ("change: {tests.class_a: {any: [[flops >= a_tpp]]}}", "not a measure"),
        ("add: {scope.review: {id: x}}", "another form"),
        ("add: {scope.review: [{id: x}]}", "cannot be read"),
        ("a: [", "not YAML"),
    ],
)
def test_a_bad_overlay_is_refused_with_its_place(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_rulebook(path)
    assert message in str(caught.value)
    assert "bad" in str(caught.value)


def test_an_overlay_that_is_not_there_names_the_shipped_ones():
    with pytest.raises(RuleError, match="no-october-2023"):
        load_rulebook("no-october-2032")


def test_dated_membership_reads_half_open_and_unsettled_spans():
    day = dt.date(2024, 1, 1)
    assert member({"D1": {"from": day}}, "D1", day) is True
    assert member({"D1": {"from": day}}, "D1", day - dt.timedelta(days=1)) is False
    assert member({"D1": {"until": day}}, "D1", day) is False
    assert member({"D1": {"open": True}}, "D1", day) is None
    window = {"D5": {"until_between": [day, day + dt.timedelta(days=2)]}}
    days = [day + dt.timedelta(days=step) for step in (-1, 0, 2, 3)]
    assert [member(window, "D5", entry) for entry in days] == [True, None, None, False]
    assert member({}, "D1", day) is False


def test_dated_values_cease():
    values = {dt.date(2024, 1, 1): 5, dt.date(2025, 1, 1): None}
    days = [dt.date(2023, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 12, 31), dt.date(2025, 1, 1)]
    assert [value_on(values, day) for day in days] == [None, 5, 5, None]
    assert value_on(None, days[0]) is None


def test_shipped_tables_use_known_words_and_every_row_is_cited():
    tables = load_rulebook().tables
    provisions = {row["id"] for row in tables["provisions"]}
    for row in tables["provisions"]:
        assert row["citation"] or row["kind"] == "foreign_law"
        assert row["checked_on"]
        assert row["basis"]
    for name in ("requirements", "open_requirements", "embargoes", "exceptions"):
        for row in tables["scope"][name]:
            assert row["provision"] in provisions
    assert {row["policy"] for row in tables["scope"]["review"]} <= set(POLICIES)
    assert {row["outcome"] for row in tables["scope"]["exceptions"]} <= set(OUTCOMES)
    for row in tables["parameters"].values():
        assert row["citation"]
        assert all(isinstance(day, dt.date) for day in row["values"])
    for row in tables["duties"]:
        assert set(row.get("classes", ())) <= set(CLASSES)
        assert row["provision"] in provisions


def test_every_question_the_engine_asks_has_a_text():
    import re

    asked = set()
    for path in Path(check.__code__.co_filename).parent.rglob("*.py"):
        asked |= set(re.findall(r'_counsel\(\s*"([a-z_]+)"', path.read_text(encoding="utf-8")))
    known = load_rulebook().tables["open_questions"]
    assert asked <= set(known)
    assert all(entry["text"] and entry["policy"] for entry in known.values())
