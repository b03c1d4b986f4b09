import json

import pytest
import typer
from typer.testing import CliRunner

from chipwise.cli.runway import runway_command, years_text
from chipwise.cli.validate import validate_command
from chipwise.core.errors import UnknownName
from chipwise.planning.runway import runway
from chipwise.scenario import load_scenario

app = typer.Typer()
app.command("runway")(runway_command)
app.command("validate")(validate_command)
QUICK = ["--draws", "2000"]


def run(*args):
    return CliRunner().invoke(app, list(args))


def test_table_names_the_binding_sense_and_stays_short():
    result = run("runway", "baidu-2023", *QUICK)
    assert result.exit_code == 0
    first = result.stdout.splitlines()[0]
    assert "programme runway binds" in first
    assert "0.54 years" in first
    for sense in ("programme", "flagship", "squeeze", "wear"):
        assert f"{sense}: ends when" in result.stdout
    assert "Not legal advice." in result.stdout
    assert len(result.stdout.splitlines()) < 40


def test_json_is_the_library_answer():
    result = run("runway", "baidu-2023", *QUICK, "--seed", "7", "--json")
    written = json.loads(result.stdout)
    answer = runway(load_scenario("baidu-2023"), draws=2_000, seed=7)
    assert {"programme", "flagship", "squeeze", "wear", "binding"} <= set(written)
    assert written["binding"] == answer.binding
    assert written["flagship"]["median"] == pytest.approx(answer.flagship.median)
    assert written["programme"]["ends_on"] == answer.programme.ends_on.isoformat()


def test_explain_shows_every_input_with_its_source():
    result = run("runway", "baidu-2023", *QUICK, "--explain")
    assert "Reuters 2023-11-07" in result.stdout
    assert "log-uniform" in result.stdout


def test_exit_three_when_nothing_can_be_told(monkeypatch):
    from dataclasses import replace

    import chipwise.scenario

    bare = replace(load_scenario("baidu-2023"), stock=())
    monkeypatch.setattr(chipwise.scenario, "load_scenario", lambda *_, **__: bare)
    result = run("runway", "anything", *QUICK)
    assert result.exit_code == 3
    assert "undetermined in every sense" in result.stdout
    assert "stock" in result.stdout


def test_known_on_leaves_out_what_came_later():
    result = run("runway", "baidu-2023", *QUICK, "--known-on", "2023-11-21")
    assert result.exit_code == 0
    assert "programme: undetermined" in result.stdout


@pytest.mark.parametrize(
    ("years", "text"), [(None, "-"), (float("inf"), "unbounded"), (0.0, "0"), (0.544, "0.54"), (12.2, "12")]
)
def test_years_for_people(years, text):
    assert years_text(years) == text


def test_validate_runway_prints_scores_and_rows():
    table = run("validate", "runway")
    assert table.exit_code == 0
    assert [line.split()[0] for line in table.stdout.splitlines()[2:7]] == ["T1", "T2", "T3", "T4", "all"]
    written = json.loads(run("validate", "runway", "--json").stdout)
    assert {"n", "n_predicted", "median_ape", "mape", "bias", "coverage90", "by", "rows"} == set(written)
    assert written["n"] == len(written["rows"]) == 132
    assert {"id", "group", "metric", "measured", "predicted", "low", "high", "evidence", "status"} == set(
        written["rows"][0]
    )


def test_validate_says_what_was_not_predicted(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("case_id,sense,chips_in_service\na,T4,10\n")
    result = run("validate", "runway", str(path))
    assert result.exit_code == 0
    assert "not predicted: 1 x missing: attrition_per_year" in result.stdout


def test_validate_offers_the_nearest_kind():
    result = run("validate", "runwya")
    assert isinstance(result.exception, UnknownName)
    assert "runway" in result.exception.line()
