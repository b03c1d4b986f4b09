"""Running one mutant: in a copy of the tree, in a child of a warm process, with a time-out."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tools.mutant_sites import Mutant

COPIED = ("src", "tests", "docs", "pyproject.toml")
LEFT = shutil.ignore_patterns("__pycache__", "*.png", "*.html", ".hypothesis")
WARM = ("pytest", "hypothesis", "numpy", "yaml", "pydantic", "typer", "typer.testing", "rich", "chipwise.catalogue")
"""Loaded once per worker: nothing here may import the package under test."""
_STATE: dict[str, Any] = {}


def copy_tree(root: Path, target: Path) -> None:
    """A copy of what the tests read; file times are kept."""
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=LEFT)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def warm_up(root: Path, scratch: Path, package: str, tests: list[str], limit_s: float, examples: int) -> None:
    """Make this process ready: its own copy of the tree, and everything loaded that no mutant can touch."""
    import importlib

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own = scratch / str(os.getpid())
    copy_tree(root, own)
    os.chdir(own)
    sys.path[:0] = [str(own), str(own / "src")]
    for name in WARM:
        importlib.import_module(name)
    importlib.import_module("chipwise.catalogue").load_catalogue()
    dotted = package.removeprefix("src/").replace("/", ".")
    if any(name == dotted or name.startswith(f"{dotted}.") for name in sys.modules):
        raise RuntimeError(f"{dotted} is loaded before it is changed")
    _STATE.update(root=own, tests=tests, limit_s=limit_s, examples=examples)


def baseline() -> tuple[str, str, float]:
    """The tests on the unchanged code, as a worker runs them; compiled files are kept for later runs."""
    return _judge(keep_compiled=True)


def try_mutant(mutant: Mutant) -> dict[str, Any]:
    """Change the copy, run the tests, change it back."""
    path: Path = _STATE["root"] / mutant.file
    old, times = path.read_bytes(), path.stat()
    path.write_text(mutant.text, encoding="utf-8")
    try:
        result, killer, seconds = _judge(keep_compiled=False)
    finally:
        path.write_bytes(old)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return {
        "id": mutant.id,
        "file": mutant.file,
        "line": mutant.line,
        "kind": mutant.kind,
        "before": mutant.before,
        "after": mutant.after,
        "result": result,
        "killer": killer,
        "seconds": round(seconds, 2),
    }


def _judge(*, keep_compiled: bool) -> tuple[str, str, float]:
    """Result of the tests in a child process: survived, killed or time-out; with the first failing test."""
    log = _STATE["root"] / "pytest.log"
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_tests(log, keep_compiled=keep_compiled)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - start
        if done:
            break
        if seconds > _STATE["limit_s"]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "time-out", "", seconds
        time.sleep(0.02)
    code = os.waitstatus_to_exitcode(status)
    found = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", log.read_text(encoding="utf-8", errors="replace"), re.M)
    return ("survived" if code == 0 else "killed"), (found.group(1) if found else f"exit {code}"), seconds


def _cap_examples(most: int) -> None:
    """Let a property test try at most so many examples: fewer can only spare a mutant, never kill one."""
    import hypothesis

    plain = hypothesis.settings.__init__

    def capped(self: Any, *args: Any, **options: Any) -> None:
        if isinstance(options.get("max_examples"), int):
            options["max_examples"] = min(options["max_examples"], most)
        plain(self, *args, **options)

    hypothesis.settings.__init__ = capped  # type: ignore[method-assign]


def _run_tests(log: Path, *, keep_compiled: bool) -> None:
    """In the child: run pytest with its output in a file, and leave."""
    import pytest

    code = 3
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.dont_write_bytecode = not keep_compiled
        if _STATE["examples"]:
            _cap_examples(_STATE["examples"])
        options = [
            "-x",
            "-q",
            "--no-header",
            "--tb=no",
            "--assert=plain",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-rfE",
        ]
        code = int(pytest.main([*options, "--doctest-modules", *_STATE["tests"]]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
