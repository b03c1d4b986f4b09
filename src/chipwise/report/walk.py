"""From what the first screen says to the facts behind it: by line, by chip, by subject."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chipwise.report.sources import FactIndex, Link

SUBJECTS = (
    ("training's share", "fleet_use.training_share"),
    ("share of the held fleet", "fleet_use.training_share"),
    ("closure", "rules_outlook.root"),
    ("know rules", "rules_outlook.root"),
    ("rules and demand", "demand.inference.paths"),
    ("path", "demand.inference.paths"),
    ("tokens", "demand.inference.paths"),
    ("users", "demand.tokens_per_active_user_per_day"),
    ("MFU", "fleet_use.mfu"),
    ("cash", "finance."),
    ("ceiling on buying", "finance."),
    ("loan", "finance.loan"),
    ("research", "demand.final_run_share_of_research_compute"),
    ("FLOP", "demand.training"),
    ("compute by", "demand.training"),
    ("gap to", "demand."),
)
"""Words of a sentence and where in the scenario the numbers behind them stand."""
FEW_PER_CHIP = 2


def facts_by_chip(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Ids of the facts behind a chip's lines and yields, those of its lines first."""
    found: dict[str, list[str]] = {}
    rows = [*plan["plan"]["now"], *plan["plan"]["periods"], *(plan.get("yields") or [])]
    for row in rows:
        if row.get("chip"):
            found.setdefault(str(row["chip"]), []).extend(str(fact) for fact in row.get("facts") or [])
    return {chip: list(dict.fromkeys(ids)) for chip, ids in found.items()}


def line_links(line: Mapping[str, Any], plan: Mapping[str, Any], index: FactIndex) -> list[Link]:
    """Facts of one line: its own, and those of its market line where it has one."""
    own = index.links(line.get("facts") or [])
    market = index.under(f"scenario/{plan['scenario']['id']}#{line['market']}.") if line.get("market") else []
    return list({link["href"]: link for link in (*market, *own)}.values())


def sentence_links(sentence: str, plan: Mapping[str, Any], index: FactIndex) -> list[Link]:
    """Facts a sentence speaks of: numbers moved, chips named, subjects."""
    place = f"scenario/{plan['scenario']['id']}#"
    moved = plan.get("sensitivity") or []
    ids = [str(row.get("quantity")) for row in moved if str(row.get("label")) in sentence]
    for entry in re.findall(r"market\[\d+\]", sentence):
        ids += [key for key in index.places if key.startswith(f"{place}{entry}.")]
    for chip, facts in facts_by_chip(plan).items():
        if re.search(rf"(?<![\w-]){re.escape(chip)}(?![\w-])", sentence):
            ids += [key for key in facts if key in index.places][:FEW_PER_CHIP]
    for words, prefix in SUBJECTS:
        if words in sentence:
            ids += [key for key in index.places if key.startswith(place + prefix)][:3]
    return index.links(ids)


def sentences(texts: Sequence[Any], plan: Mapping[str, Any], index: FactIndex) -> list[dict[str, Any]]:
    """Sentences with the facts they speak of."""
    return [{"text": str(entry), "facts": sentence_links(str(entry), plan, index)} for entry in texts]
