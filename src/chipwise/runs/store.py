"""A run on disk: plan.json, its tables, the report and run.json in one folder, whole or not at all.

``plan.json`` holds what does not depend on clock, machine or path and is the same bytes from the same input;
``run.json`` holds the rest. Everything is written into a hidden folder on the target's own disk and moved in file by
file, ``plan.json`` last, so that a reader never meets half a file.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chipwise.core.errors import InputError
from chipwise.core.json_text import dumps, plain
from chipwise.core.tabular import Table, arrow_table

if TYPE_CHECKING:
    from chipwise.planning.result import Plan

PLAN_FILE = "plan.json"
RUN_FILE = "run.json"
REPORT_FILE = "report.html"


def write_run(
    plan: Plan | Mapping[str, Any], out: str | Path, *, report_html: str, run_info: Mapping[str, Any]
) -> tuple[Path, ...]:
    """Write one run into a folder.

    Parameters
    ----------
    plan : Plan or mapping
        A plan, or the content of plan.json.
    out : str or pathlib.Path
        Folder of the run; made with its parents when it does not exist. Files of an older run in it are replaced,
        other files are left alone.
    report_html : str
        The report.
    run_info : mapping
        What may differ between runs: when it started, seconds per stage, versions; see `software_versions`.

    Returns
    -------
    tuple of pathlib.Path
        The files, ``plan.json`` last.

    Raises
    ------
    InputError
        When `out` is a file, lies inside a file, or cannot be written to; nothing is left behind then.
    """
    from chipwise.runs.tables import plan_tables

    content = plain(dict(plan) if isinstance(plan, Mapping) else plan.to_dict())
    target = Path(out)
    made = _make_folder(target)
    try:
        staging = Path(tempfile.mkdtemp(prefix=".chipwise-", suffix=".part", dir=target))
    except OSError as error:
        _remove_empty(made)
        raise _refused(target, error) from None
    try:
        (staging / REPORT_FILE).write_text(report_html, encoding="utf-8", newline="\n")
        for name, table in plan_tables(content).items():
            write_parquet(table, staging / f"{name}.parquet")
        (staging / RUN_FILE).write_text(dumps(dict(run_info)), encoding="utf-8", newline="\n")
        (staging / PLAN_FILE).write_text(dumps(content), encoding="utf-8", newline="\n")
        return _move_in(staging, target)
    except OSError as error:
        raise _refused(target, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _remove_empty(made)


def _move_in(staging: Path, target: Path) -> tuple[Path, ...]:
    """Rename every staged file over its target, ``plan.json`` last.

    When one cannot be moved, those already moved are put back as they were.
    """
    names = sorted(entry.name for entry in staging.iterdir() if entry.name != PLAN_FILE)
    kept = staging / "kept"
    kept.mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for name in (*names, PLAN_FILE):
            goal, old = target / name, kept / name
            if goal.exists():
                _keep(goal, old)
            moved.append((goal, old))
            os.replace(staging / name, goal)
    except BaseException:
        for goal, old in reversed(moved):
            if old.exists():
                os.replace(old, goal)
            elif not (staging / goal.name).exists():
                goal.unlink(missing_ok=True)
        raise
    return tuple(goal for goal, _ in moved)


def _keep(goal: Path, old: Path) -> None:
    """A second name for a file, or a copy where the disk knows no links."""
    try:
        os.link(goal, old)
    except OSError:
        shutil.copy2(goal, old)


def _make_folder(target: Path) -> list[Path]:
    """Make `target` with its parents; return the folders that were made, deepest first."""
    made: list[Path] = []
    try:
        missing = [folder for folder in (target, *target.parents) if not folder.exists()]
        target.mkdir(parents=True, exist_ok=True)
        made = missing
    except (FileExistsError, NotADirectoryError):
        raise InputError(
            "not a folder, or inside a file", place=str(target), allowed="a folder, or a path where one can be made"
        ) from None
    except (OSError, ValueError) as error:
        raise _refused(target, error) from None
    if not os.access(target, os.W_OK | os.X_OK):
        raise InputError("cannot write there", place=str(target), allowed="a folder you may write to")
    return made


def _remove_empty(folders: list[Path]) -> None:
    """Take away folders that were made for a run that was not written; those that hold something stay."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _refused(target: Path, error: Exception) -> InputError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InputError(f"cannot write: {reason}", place=str(target), allowed="a folder you may write to")


def write_parquet(table: Table, path: Path) -> Path:
    """Write one table as Parquet; the same table gives the same bytes."""
    import pyarrow.parquet as pq

    pq.write_table(arrow_table(table), path, compression="zstd")
    return path


def read_plan(path: str | Path) -> dict[str, Any]:
    """Read a plan back.

    Parameters
    ----------
    path : str or pathlib.Path
        A plan.json, or the folder of a run.

    Returns
    -------
    dict
        Content of plan.json; dates are ISO text, an unbounded number is ``"inf"``.

    Raises
    ------
    InputError
        When there is no such file, or it is not a plan of this version of the layout.
    """
    given = Path(path)
    source = given / PLAN_FILE if given.is_dir() else given
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read: {error.strerror}", place=str(source), allowed="a plan.json, or the folder of a run"
        ) from None
    except ValueError as error:
        raise InputError(f"not JSON: {error}", place=str(source), allowed="a plan.json as chipwise writes it") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(schema, str) or not schema.startswith("chipwise-plan/1"):
        raise InputError(f"schema {schema!r}", place=str(source), allowed="chipwise-plan/1")
    return dict(content)


def software_versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a result, for run.json."""
    import importlib.metadata
    import platform

    found = {"python": platform.python_version(), "system": platform.system()}
    for name in ("chipwise", "numpy", "highspy", "pydantic", "pyyaml", "pyarrow", "jinja2"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
