"""Every number of the first screen and of the plan's lines leads to facts the plan carries, with their sources."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chipwise.catalogue import Catalogue
from chipwise.core.json_text import dumps
from chipwise.planning import plan
from chipwise.report.html import render_report

SCENARIOS = ("baidu-2023", "giant-2022-07", "small-startup-2023", "buyer-2026")
NO_FACT_NEEDED = (
    "Nothing is bought",
    "interval of",
    "more warning",
    "more reasons",
    "In the plan because",
    "It is in the plan because",
)
"""Blocks whose numbers are settings of the run, counts of what follows, or the scenario's own words quoted."""


@pytest.fixture(scope="module", params=SCENARIOS)
def document(request: pytest.FixtureRequest, catalogue: Catalogue) -> dict[str, Any]:
    found = plan(request.param, draws=2000, with_sensitivity=False, catalogue=catalogue)
    return json.loads(dumps(found.to_dict()))


def test_every_line_of_the_plan_names_facts_that_the_plan_carries(document: dict[str, Any]) -> None:
    facts = {fact["id"]: fact for fact in document["facts"]}
    for line in (*document["plan"]["now"], *document["plan"]["periods"]):
        assert line.get("facts"), line
        for identity in line["facts"]:
            assert facts[identity]["source"], identity
    for line in document["plan"]["now"]:
        if line["action"] == "buy":
            assert any(".price" in identity for identity in line["facts"])
        if line["action"] == "assign":
            assert any("#" in identity and not identity.startswith("scenario/") for identity in line["facts"])


def test_every_yield_names_facts_that_the_plan_carries(document: dict[str, Any]) -> None:
    facts = {fact["id"] for fact in document["facts"]}
    for row in document["yields"]:
        if row["status"] == "ok":
            assert set(row["facts"]) & facts, row
            assert row["low"] <= row["value"] <= row["high"]


def test_every_figure_of_the_first_screen_links_to_a_fact_with_a_source(document: dict[str, Any]) -> None:
    page = render_report(document)
    anchors = set(re.findall(r'id="(fact-[^"]+)"', page))
    screen = page.split('<section id="decision"')[1].split("</section>")[0]
    screen = re.sub(r"<h[23]>.*?</h[23]>|<p class=\"(?:headline|counsel)\">.*?</p>", "", screen, flags=re.DOTALL)
    blocks = re.findall(r"<(li|p|td)\b[^>]*>(.*?)</\1>", screen, flags=re.DOTALL)
    checked = 0
    for _, block in blocks:
        words = re.sub(r"<[^>]+>", " ", re.sub(r'<span class="refs">.*?</span>', "", block, flags=re.DOTALL))
        if not re.search(r"\d", words) or any(entry in words for entry in NO_FACT_NEEDED):
            continue
        links = re.findall(r'href="#(fact-[^"]+)"', block)
        assert links, words
        assert set(links) <= anchors
        checked += 1
    assert checked >= 8
