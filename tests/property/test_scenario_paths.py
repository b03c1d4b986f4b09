"""Paths and numbers meant to break the reader of scenarios: one located line, soon, never a traceback."""

from __future__ import annotations

import os
import time
from importlib import resources
from pathlib import Path

import pytest

import chipwise as cw
from chipwise.core.errors import InputError

TEXT = (resources.files("chipwise") / "data" / "scenarios" / "small-startup-2023.yaml").read_text(encoding="utf-8")


def told(path: str | Path) -> str:
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        cw.load_scenario(path)
    assert time.process_time() - started < 20
    line = caught.value.line()
    assert len(line.splitlines()) == 1
    assert len(line) < 6000
    return line


@pytest.mark.parametrize("kind", ["folder", "device", "pipe", "loop", "nowhere", "missing", "below a file", "too long"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to("x.yaml")
    elif kind == "nowhere":
        path.symlink_to("none.yaml")
    elif kind == "below a file":
        (tmp_path / "file").write_text("x", encoding="utf-8")
        path = tmp_path / "file" / "x.yaml"
    elif kind == "too long":
        path = tmp_path / ("x" * 300 + ".yaml")
    assert ".yaml: " in told(path)
    assert told(str(path)) == told(path)


@pytest.mark.parametrize("name", ["../none.yaml", "..", "/", ".", "", "x\x00y.yaml", "baidu-2032", "a" * 5000])
def test_a_name_that_is_nothing_is_told(name: str) -> None:
    assert told(name)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(TEXT, encoding="utf-8")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot read" in told(path)


@pytest.mark.parametrize(
    "value", ["1e400", "-1e400", "9" * 10_000, ".inf", ".nan", "1e61", "-5", "'15'", "[15]", "!!int 1"]
)
@pytest.mark.parametrize("place", ["months: 18", "cash: {value: 15,", "{training_share: {value: 0.8,"])
def test_a_hostile_number_is_told_with_its_place(tmp_path: Path, place: str, value: str) -> None:
    path = tmp_path / "x.yaml"
    key, _, old = place.rpartition(": ")
    assert TEXT.count(place) == 1
    path.write_text(TEXT.replace(place, f"{key}: {value}{',' if old.endswith(',') else ''}"), encoding="utf-8")
    line = told(path)
    number = TEXT[: TEXT.index(place)].count("\n") + 1
    assert f"x.yaml:{number} " in line


def test_files_that_unfold_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    bombs = {
        "too many nodes": "l0: &l0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12)),
        "nested too deeply|nesting depth": "[" * 5000 + "]" * 5000,
        "merge key": "a: &a {b: 1}\nc:\n  <<: *a\n",
        "no finished anchor": "a: &a [*a]\n",
        "not valid YAML|tag": "a: !!python/object/apply:os.system ['true']\n",
        "not a text file": "a: \x00",
        "at most": "# " + "x" * 3_000_000,
    }
    for message, text in bombs.items():
        path.write_text(text, encoding="utf-8")
        line = told(path)
        assert any(part in line for part in message.split("|")), line
    path.write_bytes(TEXT.encode("utf-16"))
    assert "not a text file" in told(path)
    path.write_bytes(TEXT.replace("Example Lab", "Example L\xe4b").encode("latin-1"))
    assert "x.yaml:" in told(path)
