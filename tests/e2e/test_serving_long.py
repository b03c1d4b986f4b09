"""A long run that is stopped in any way goes on and loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from chipwise.serving.long_workload import stretches

WORDS = (
    "serve",
    "long",
    "--model",
    "llama-3.1-8b",
    "--fleet",
    "l40s=2",
    "--trace",
    "poisson:6:400:60",
    "--requests",
    "60000",
    "--stretch",
    "3000",
    "--json",
)


def command(out: Path) -> list[str]:
    return [sys.executable, "-m", "chipwise.cli.main", *WORDS, "--out", str(out)]


def requests_of(out: Path) -> list[tuple[float, ...]]:
    table = parquet.read_table(sorted(out.glob("part-*.parquet")))
    rows = zip(
        *(table.column(name).to_pylist() for name in ("arrival_s", "last_token_s", "generated_tokens")), strict=True
    )
    return sorted(rows)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_killed_at_any_moment_is_the_run_that_was_not(tmp_path: Path, how: signal.Signals) -> None:
    whole = json.loads(subprocess.run(command(tmp_path / "whole"), capture_output=True, check=True, text=True).stdout)
    out, stops = tmp_path / "killed", 0
    for pause in (1, 4, 9):
        child = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + 60.0
        while child.poll() is None and len(list(out.glob("part-*.parquet"))) < pause and time.monotonic() < limit:
            time.sleep(0.005)
        if child.poll() is None:
            os.kill(child.pid, how)
            stops += 1
        child.wait()
    assert stops
    answer = json.loads(subprocess.run(command(out), capture_output=True, check=True, text=True).stdout)
    assert answer["requests"] == whole["requests"] == 60_000
    for key in ("tokens", "done", "ttft_s", "tpot_s", "latency_s"):
        assert answer[key] == whole[key]
    assert requests_of(out) == requests_of(tmp_path / "whole")


def test_stretches_are_one_clock_and_the_same_each_time() -> None:
    for text in ("poisson:5:100:10", "azure"):
        one, two = (stretches(text, 2_500, each=1_000, seed=3) for _ in range(2))
        two(2)
        parts = [one(k) for k in range(4)]
        assert parts[3] is None
        sizes = [len(part) for part in parts if part is not None]
        assert sizes == [1000, 1000, 500]
        ends = [float(part.arrival_s[-1]) for part in parts if part is not None]
        starts = [float(part.arrival_s[0]) for part in parts if part is not None]
        assert all(a < b for a, b in zip(ends, starts[1:], strict=False))
        again = two(1)
        assert again is not None
        assert parts[1] is not None
        assert (again.arrival_s == parts[1].arrival_s).all()
