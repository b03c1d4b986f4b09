"""Every situation a lawyer can read: both sides of each date and of each numeric line, with its citation."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml

from chipwise.catalogue import load_catalogue
from chipwise.rules import load_rulebook, verdict_of
from chipwise.rules.cases import case_of_row

FOLDER = Path(__file__).parent / "rules"
SITUATIONS = [
    pytest.param(entry, id=f"{path.stem}: {entry['name']}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for entry in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
]


def cells(case):
    """The case as text cells, as a file would hold them."""
    return {key: value.isoformat() if isinstance(value, dt.date) else str(value) for key, value in case.items()}


@pytest.mark.parametrize("entry", SITUATIONS)
def test_situation(entry):
    rulebook = load_rulebook()
    case = case_of_row(cells(entry["case"]), "situation", rulebook, load_catalogue())
    verdict = verdict_of(case, rulebook)
    found = {
        "class": verdict.classification,
        "licence": verdict.licence_required,
        "outcome": verdict.outcome,
        "policy": verdict.review_policy,
    }
    if verdict.outcome == "needs_counsel":
        found["question"] = verdict.question
    assert found == entry["expected"]


def test_there_are_enough_situations_and_each_is_cited():
    assert len(SITUATIONS) >= 250
    assert all(entry.values[0]["citation"] for entry in SITUATIONS)
