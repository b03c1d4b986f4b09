"""`chipwise scenario`: what it prints, how it exits, what it writes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chipwise.cli.scenario import app
from chipwise.core.errors import InputError
from chipwise.files.scenario_schema import json_schema
from chipwise.scenario import load_scenario, shipped_scenarios


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_all_shipped_are_valid():
    result = run("validate", *shipped_scenarios())
    assert result.exit_code == 0
    assert result.stdout.count(": ok. ") == len(shipped_scenarios())


def test_validate_json_tells_good_from_bad(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("schema: planning-scenario/0.2\n")
    result = run("validate", "baidu-2023", str(bad), "--json")
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert [entry["ok"] for entry in answer["files"]] == [True, False]
    assert answer["files"][0]["chips"] == 71_600
    assert answer["files"][1]["error"]["place"].startswith(str(bad))


def test_show_names_units_ranges_and_sources():
    text = run("show", "baidu-2023").stdout
    assert "USD/chip" in text
    assert "Reuters 2023-11-07" in text
    assert "h20_class_closed" in text
    document = json.loads(run("show", "baidu-2023", "--json").stdout)
    named = {entry["name"]: entry for entry in document["quantities"]}
    assert named["fleet_use.mfu"]["range"] == [0.3, 0.47]
    assert named["stock.h800-sxm.chips"]["source"]
    assert document["inputs"]["party.headquarters_country"] == "CN"


def test_schema_describes_every_section(tmp_path):
    schema = json.loads(run("schema").stdout)
    assert schema["properties"]["schema"]["enum"] == ["planning-scenario/0.2", "planning-scenario/0.3"]
    assert all("description" in node for node in schema["properties"].values())
    target = tmp_path / "schema.json"
    run("schema", "--out", str(target))
    assert json.loads(target.read_text()) == schema


def test_new_then_diff(tmp_path):
    target = tmp_path / "mine.yaml"
    assert run("new", "--from", "baidu-2023", "--id", "mine", "--out", str(target)).exit_code == 0
    assert load_scenario(target).id == "mine"
    same = run("diff", "baidu-2023", str(target))
    assert same.exit_code == 0
    target.write_text(target.read_text().replace("mfu: {value: 0.38", "mfu: {value: 0.40"))
    changed = run("diff", "baidu-2023", str(target), "--json")
    assert changed.exit_code == 1
    answer = json.loads(changed.stdout)
    assert [entry["name"] for entry in answer["differences"]] == ["fleet_use.mfu"]
    assert answer["differences"][0]["second"]["value"] == 0.40
    assert "fleet_use.mfu" in run("diff", "baidu-2023", str(target)).stdout


def test_new_keeps_what_is_there(tmp_path):
    target = tmp_path / "mine.yaml"
    target.write_text("precious")
    with pytest.raises(InputError, match="exists"):
        run("new", "--id", "mine", "--out", str(target))
    assert target.read_text() == "precious"
    assert run("new", "--id", "mine", "--out", str(target), "--force").exit_code == 0
    with pytest.raises(InputError, match="no name"):
        run("new", "--id", "a: b", "--out", str(tmp_path / "other.yaml"))
    with pytest.raises(InputError, match="cannot write"):
        run("new", "--id", "mine", "--out", str(tmp_path / "no" / "folder.yaml"))


def test_list_shows_every_scenario():
    assert [entry["id"] for entry in json.loads(run("list", "--json").stdout)] == list(shipped_scenarios())


def test_the_reference_page_has_every_key():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "scenario.md").read_text()
    rows = {line for line in page.splitlines() if line.startswith("| `")}
    schema = json_schema()
    entries = [form for node in (schema, *schema["$defs"].values()) for form in (node, *node.get("anyOf", ()))]
    wanted = [(key, below) for form in entries for key, below in form.get("properties", {}).items()]
    assert len(wanted) > 150
    for key, below in wanted:
        meaning = f"| {below.get('description', '')} |"
        assert any(row.startswith(f"| `{key}` |") and row.endswith(meaning) for row in rows), key
