"""The report in a real browser without a network: figures are drawn and nothing is asked for or refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from chipwise.report import write_report
from tests.support.report_case import empty_plan, sample_plan

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


@pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine")
@pytest.mark.parametrize(("plan", "drawn"), [(sample_plan(), 7), (empty_plan(), 1)])
def test_figures_are_drawn_offline(tmp_path: Path, plan: object, drawn: int) -> None:
    page = write_report(plan, tmp_path / "report.html")  # type: ignore[arg-type]
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=8000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    said = [entry for entry in done.stderr.splitlines() if "CONSOLE" in entry]
    assert said == []
    assert done.stdout.count('class="figure js-plotly-plot"') == drawn
    assert '<html lang="en" class="drawn"' in done.stdout
    assert "<details open" not in done.stdout
