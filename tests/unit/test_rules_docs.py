"""The worked pages show what the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from chipwise.rules import check
from chipwise.rules.report import explained_lines, summary_lines
from chipwise.rules.vocabulary import ROUTES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("day", ["2023-10-22", "2023-10-23", "2023-11-17", "2026-11-24"])
def test_the_a800_page_shows_what_check_prints(day):
    verdict = check("a800-80-sxm", to="CN", hq="CN", on=day)
    block = "\n".join((*summary_lines(verdict), *explained_lines(verdict)))
    assert block in (DOCS / "explain" / "a800-to-china.md").read_text(encoding="utf-8")


def test_the_how_to_names_real_words():
    text = (DOCS / "how-to" / "check-a-chip.md").read_text(encoding="utf-8")
    assert sum(f"`{route}`" in text for route in ROUTES) >= 5
