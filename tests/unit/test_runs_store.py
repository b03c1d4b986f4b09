"""The run store: what it writes, that it writes whole or not at all, and that it reads back."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from chipwise.core.errors import InputError
from chipwise.core.json_text import dumps
from chipwise.runs import store
from chipwise.runs.store import read_plan, software_versions, write_run
from tests.support.report_case import empty_plan, sample_plan

FILES = {
    "plan.json",
    "run.json",
    "report.html",
    "lines.parquet",
    "branches.parquet",
    "verdicts.parquet",
    "yields.parquet",
    "facts.parquet",
    "sensitivity.parquet",
}


def write(out: Path, note: str = "one") -> tuple[Path, ...]:
    return write_run(sample_plan(), out, report_html=f"<p>{note}</p>", run_info={"started": note})


def contents(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return found


def test_run_has_its_files_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    written = write(out)
    assert {path.name for path in written} == FILES
    assert set(contents(out)) == FILES
    assert written[-1].name == "plan.json"
    assert [entry.name for entry in out.parent.iterdir()] == ["run"]


def test_only_run_json_and_report_may_differ_between_runs(tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    write(tmp_path / "b", "two")
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert {name for name in FILES if first[name] != second[name]} == {"run.json", "report.html"}
    assert first["plan.json"].decode() == dumps(sample_plan().to_dict())


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, "one")
    write(tmp_path, "two")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert set(contents(tmp_path)) == FILES | {"notes.txt"}
    assert json.loads((tmp_path / "run.json").read_text())["started"] == "two"


@pytest.mark.parametrize("failing", range(1, len(FILES) + 1))
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_midway_leaves_the_old_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, error: BaseException
) -> None:
    write(tmp_path / "run", "old")
    before = contents(tmp_path / "run")
    replace, calls = os.replace, []

    def breaking(source: Any, goal: Any) -> None:
        calls.append(goal)
        if len(calls) == failing:
            raise error
        replace(source, goal)

    monkeypatch.setattr(store.os, "replace", breaking)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt):
        write(tmp_path / "run", "new")
    assert contents(tmp_path / "run") == before


def test_failure_on_a_new_folder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_parquet", full)
    with pytest.raises(InputError, match="No space left"):
        write(tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []


def test_failure_while_moving_into_a_new_folder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, calls = os.replace, []

    def breaking(source: Any, goal: Any) -> None:
        calls.append(goal)
        if len(calls) == 5:
            raise OSError(5, "Input/output error")
        replace(source, goal)

    monkeypatch.setattr(store.os, "replace", breaking)
    with pytest.raises(InputError, match="Input/output error"):
        write(tmp_path / "new" / "run")
    assert len(calls) == 5
    assert list(tmp_path.iterdir()) == []


def test_disk_without_links_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(store.os, "link", no_links)
    write(tmp_path, "one")
    write(tmp_path, "two")
    assert json.loads((tmp_path / "run.json").read_text())["started"] == "two"


def test_bad_targets_are_refused_with_their_place(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    for out in (blocked, blocked / "run", tmp_path / ("n" * 300), tmp_path / "nul\0l"):
        with pytest.raises(InputError) as caught:
            write(out)
        assert caught.value.exit_status == 2
        assert caught.value.place == str(out)
    assert contents(tmp_path) == {"file": b"x"}


def test_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.os, "access", lambda *_: False)
    with pytest.raises(InputError, match="cannot write"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lines_read_back(tmp_path: Path) -> None:
    write(tmp_path)
    plan = sample_plan()
    found = rows(tmp_path, "lines")
    assert [row["part"] for row in found] == ["now"] * len(plan.now) + ["periods"] * len(plan.periods)
    for row, line in zip(found, (*plan.now, *plan.periods), strict=True):
        assert (row["action"], row["chip"], row["when"]) == (line.action, line.chip, line.when)
        assert (row["count"], row["cost_usd"], row["arrives"]) == (line.count, line.cost_usd, line.arrives)
        assert row["outcome"] == (line.outcome or None)


def test_branches_read_back_long(tmp_path: Path) -> None:
    write(tmp_path)
    found = rows(tmp_path, "branches")
    for branch in sample_plan().branches:
        for name, values in branch.series.items():
            picked = [row for row in found if row["branch"] == branch.id and row["series"] == name]
            assert [row["value"] for row in picked] == pytest.approx(list(values), rel=1e-11)
            assert [row["month"] for row in picked] == list(branch.months)
            assert [row["state"] for row in picked] == list(branch.states)


def test_verdicts_facts_yields_and_sensitivity_read_back(tmp_path: Path) -> None:
    write(tmp_path)
    plan = sample_plan()
    verdicts = rows(tmp_path, "verdicts")
    assert [row["outcome"] for row in verdicts] == [row["outcome"] for row in plan.verdicts]
    assert json.loads(verdicts[0]["verdict"])["steps"][0]["citation"] == "88 FR 73458"
    assert verdicts[1]["verdict"] is None
    facts = {row["id"]: row for row in rows(tmp_path, "facts")}
    assert set(facts) == {fact.id for fact in plan.facts}
    assert facts["chips/ascend-910b#tpp"]["low"] == 4480.0
    assert facts["scenario/case#fleet-use.mfu"]["value_number"] is None
    assert facts["scenario/case#nothing"]["value"] is None
    assert [row["status"] for row in rows(tmp_path, "yields")] == ["ok", "undetermined"]
    assert [row["value"] for row in rows(tmp_path, "sensitivity")] == [0.3, 0.47]


def test_tables_without_rows_keep_their_columns(tmp_path: Path) -> None:
    write_run(empty_plan(), tmp_path / "empty", report_html="", run_info={})
    write(tmp_path / "full")
    for name in sorted(FILES):
        if name.endswith(".parquet"):
            empty, full = (pq.read_table(tmp_path / part / name) for part in ("empty", "full"))
            assert empty.num_rows == 0
            assert empty.schema == full.schema


def test_plan_reads_back_from_file_or_folder(tmp_path: Path) -> None:
    write(tmp_path)
    plan = read_plan(tmp_path)
    assert plan == read_plan(tmp_path / "plan.json")
    assert plan["runway"]["wear"]["years"] == "inf"
    assert math.isclose(plan["plan"]["gap"], 0.0099)
    write_run(plan, tmp_path / "again", report_html="", run_info={})
    assert (tmp_path / "again" / "plan.json").read_bytes() == (tmp_path / "plan.json").read_bytes()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": "other"}', b"\xff\xfe\x00"])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_plan(tmp_path)
    assert "plan.json" in caught.value.place
    with pytest.raises(InputError, match="cannot read"):
        read_plan(tmp_path / "none.json")


def test_versions_name_python_and_the_solver() -> None:
    assert {"python", "chipwise", "highspy", "numpy"} <= set(software_versions())
