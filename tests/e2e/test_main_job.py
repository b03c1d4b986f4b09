"""The main job as a stranger runs it: the same numbers everywhere, the same bytes twice, light imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import chipwise as cw

CLI = [sys.executable, "-m", "chipwise.cli.main"]
HEAVY = ("numba", "pandas", "plotly", "highspy", "pint", "pyarrow", "torch")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    return subprocess.run([*CLI, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.fixture(scope="module", params=["baidu-2023", "small-startup-2023"])
def run_twice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    folders = []
    for number in range(2):
        folder = tmp_path_factory.mktemp(f"{request.param}-{number}") / "out"
        result = run("plan", request.param, "--out", str(folder), "--draws", "20000", "--seed", "7", "--quick")
        assert result.returncode == 0, result.stderr
        assert len(result.stdout.splitlines()) < 40
        assert "Not legal advice" in result.stdout
        folders.append(folder)
    return request.param, folders[0], folders[1]


def test_two_runs_give_the_same_bytes(run_twice: tuple[str, Path, Path]) -> None:
    _, first, second = run_twice
    assert (first / "plan.json").read_bytes() == (second / "plan.json").read_bytes()
    assert (first / "report.html").read_bytes() == (second / "report.html").read_bytes()


def test_python_gives_the_same_numbers(run_twice: tuple[str, Path, Path]) -> None:
    from chipwise.core.json_text import dumps

    name, folder, _ = run_twice
    found = cw.plan(cw.load_scenario(name), draws=20_000, seed=7, with_sensitivity=False)
    assert dumps(found.to_dict()) == (folder / "plan.json").read_text(encoding="utf-8")


def test_plan_json_has_the_keys_of_the_contract(run_twice: tuple[str, Path, Path]) -> None:
    _, folder, _ = run_twice
    document = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert {"id", "as_of", "hash"} <= document["scenario"].keys()
    assert {"programme", "flagship", "squeeze", "wear", "binding"} <= document["runway"].keys()
    assert {"status", "objective", "bound", "gap", "now", "periods", "branches"} <= document["plan"].keys()
    assert {"data_snapshot", "version", "verdicts", "yields", "finance", "sensitivity", "facts", "warnings"} <= set(
        document
    )
    wanted = {"action", "chip", "system", "count", "when", "cost_usd", "to", "hq", "outcome", "licence_probability"}
    for line in (*document["plan"]["now"], *document["plan"]["periods"]):
        assert wanted <= line.keys()
        assert len(line["when"]) == 10


def test_no_clock_host_or_path_in_plan_json(run_twice: tuple[str, Path, Path]) -> None:
    _, folder, _ = run_twice
    text = (folder / "plan.json").read_text(encoding="utf-8")
    assert str(folder) not in text
    assert os.uname().nodename not in text


def test_the_run_folder_is_complete(run_twice: tuple[str, Path, Path]) -> None:
    _, folder, _ = run_twice
    names = {path.name for path in folder.iterdir()}
    assert {"plan.json", "run.json", "report.html", "lines.parquet", "branches.parquet"} <= names


def test_every_number_of_the_plan_has_its_source(run_twice: tuple[str, Path, Path]) -> None:
    _, folder, _ = run_twice
    document = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert document["facts"]
    assert all(fact["source"] for fact in document["facts"])


def test_imports_stay_light() -> None:
    code = (
        "import sys, chipwise, chipwise.cli.main as m; m.build_app(); "
        f"print([n for n in {HEAVY!r} if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_loads_neither_numpy_nor_pydantic() -> None:
    code = (
        "import sys, chipwise.cli.main as m; m.build_app(); "
        "print([n for n in ('numpy', 'pydantic', 'yaml') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_all_resolve() -> None:
    for name in cw.__all__:
        assert getattr(cw, name) is not None


def test_json_output_is_one_document() -> None:
    result = run("plan", "small-startup-2023", "--json", "--quick", "--draws", "1000")
    assert result.returncode == 0
    assert json.loads(result.stdout)["scenario"]["id"] == "small-startup-2023"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("plan", "no-such-scenario"), 2, "no-such-scenario"),
        (("plan", "baidu-2O23"), 2, "baidu-2023"),
        (("plan", "baidu-2023", "--known-on", "yesterday"), 2, "YYYY-MM-DD"),
        (("plan",), 2, "SCENARIO"),
        (("no-such-command",), 2, "no-such-command"),
        (("plan", "small-startup-2023", "--must-meet", "--draws", "1000"), 1, "smallest change that mends it"),
    ],
)
def test_bad_input_is_one_clear_message(arguments: tuple[str, ...], status: int, says: str) -> None:
    result = run(*arguments)
    assert result.returncode == status
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_refused_plan_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("plan", "small-startup-2023", "--must-meet", "--draws", "1000", "--out", str(out))
    assert result.returncode == 1
    assert not out.exists()


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    import signal
    import time

    out = tmp_path / "out"
    process = subprocess.Popen(
        [*CLI, "plan", "baidu-2023", "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in told
    assert not out.exists()


def test_ctrl_c_that_a_compiled_module_turned_into_its_own_error_is_still_an_interrupt() -> None:
    code = (
        "import signal, chipwise.cli.main as m\n"
        "def broken():\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        raise ImportError('core failed to import') from None\n"
        "m.build_app = broken\n"
        "m.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "interrupted" in done.stderr
