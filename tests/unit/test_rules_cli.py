"""`chipwise check` and `chipwise rules` as a user runs them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from chipwise.cli.main import build_app
from chipwise.core.errors import InputError, RedFlag

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(build_app(), list(arguments))


def test_check_prints_the_answer_and_exits_with_it():
    found = run("check", "h20-96", "--to", "CN", "--hq", "CN", "--on", "2024-02-01")
    assert found.exit_code == 0
    assert "NLR" in found.output
    assert "Not legal advice" in found.output
    assert "not_performed" in found.output
    assert run("check", "h20-96", "--to", "CN", "--hq", "CN", "--on", "2025-06-01").exit_code == 1
    assert run("check", "h100-sxm", "--to", "SG", "--on", "2025-06-01").exit_code == 3


def test_check_prints_json_of_the_contract():
    found = run("check", "rtx-4090", "--to", "AE", "--hq", "AE", "--on", "2024-05-15", "--json")
    told = json.loads(found.output)
    assert (told["outcome"], told["exception"], told["licence_required"]) == ("exception_no_notification", "ACA", "yes")
    assert found.exit_code == 0


def test_explain_tells_every_step():
    found = run("check", "a800-80-sxm", "--to", "CN", "--hq", "CN", "--on", "2023-11-17", "--explain")
    for words in ("Why, step by step", "88 FR 73458", "What would change the answer", "TPP (total processing"):
        assert words in found.output


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("check",), "ITEM"),
        (("check", "t4"), "--to"),
        (("check", "t4", "--to", "CN"), "--on"),
        (("check", "t4", "--to", "CN", "--on", "soon"), "--on"),
        (("rules", "show", "acs-2023-11"), "RULE"),
        (("rules", "map", "--on", "2024-01-01", "--out", "map.gif"), "--out"),
        (("rules", "timeline", "t4", "--to", "XX"), "--to"),
    ],
)
def test_bad_options_are_located(arguments, place):
    found = run(*arguments)
    assert isinstance(found.exception, InputError)
    assert place in found.exception.line()


def test_a_red_flag_is_refused_by_name():
    arguments = ("check", "h100-sxm", "--to", "SG", "--on", "2024-06-01", "--end-use", "buy through a shell company")
    found = run(*arguments)
    assert isinstance(found.exception, RedFlag)
    assert found.exception.exit_status == 1


def test_an_overlay_can_be_asked_about():
    base = ("check", "a800-80-sxm", "--to", "CN", "--hq", "CN", "--on", "2024-06-01")
    assert run(*base).exit_code == 1
    assert run(*base, "--rulebook", "no-october-2023").exit_code == 0


CASES = (
    "id,chip_id,item_kind,as_of,destination,buyer_hq,expected_class,licence_required,expected_outcome,review_policy\n"
    "a,t4,chip,2024-02-01,CN,CN,at_only,no,NLR,not_applicable\n"
)


def test_cases_are_answered_row_by_row(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text(CASES, encoding="utf-8")
    found = run("check", "--cases", str(path), "--json")
    rows = json.loads(found.output)
    assert [(row["id"], row["outcome"], row["agrees"]) for row in rows] == [("a", "NLR", True)]
    assert found.exit_code == 0
    path.write_text(CASES + "b,h100-sxm,chip,2024-02-01,CN,CN,at_only,no,NLR,not_applicable\n", encoding="utf-8")
    second = run("check", "--cases", str(path))
    assert second.exit_code == 0
    assert second.output.splitlines()[-1].endswith("NO")
    path.write_text(CASES + "c,h100-sxm,chip,2024-02-30,CN,CN,,,,\n", encoding="utf-8")
    table = run("check", "--cases", str(path))
    assert table.exit_code == 2
    assert "cases.csv:3" in table.output


def test_rules_show_lists_and_shows():
    assert "acs-2023-10" in run("rules", "show").output
    shown = run("rules", "show", "acs-2023-10").output
    assert "88 FR 73458" in shown
    assert json.loads(run("rules", "show", "a_tpp", "--json").output)["values"] == {"2023-11-17": 4800}
    assert any(
        row["id"] == "NAC" or row["table"] == "exceptions" for row in json.loads(run("rules", "show", "--json").output)
    )


def test_rules_timeline_diff_and_map_write_what_they_say(tmp_path):
    picture = tmp_path / "deep" / "line.svg"
    told = json.loads(run("rules", "timeline", "rtx-4090", "--to", "CN", "--out", str(picture), "--json").output)
    assert told["stretches"][0]["outcome"] == "NLR"
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert "2023-11-17" in run("rules", "timeline", "rtx-4090", "--to", "CN").output
    arguments = ("rules", "diff", "2023-11-16", "2023-11-17", "--to", "CN,AE", "--chip", "l4,t4")
    changes = json.loads(run(*arguments, "--json").output)
    assert {(change["chip"], change["to"]) for change in changes} == {("l4", "CN"), ("l4", "AE")}
    assert "2 answers differ" in run(*arguments).output
    page = tmp_path / "map.html"
    drawn = run("rules", "map", "--on", "2024-01-01", "--out", str(page))
    assert drawn.exit_code == 0
    assert "<svg" in page.read_text(encoding="utf-8")


def test_help_does_not_load_the_tables():
    assert run("check", "--help").exit_code == 0
