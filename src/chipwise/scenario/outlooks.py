"""Ready outlooks: trees of rule futures to start from, made concrete for the chips and the buyer of a scenario.

An outlook names states of the law by date (the shipped rulebook asked on that day, whatever the day of the decision)
and what is assumed on top; each chip's gate follows from its own verdict and from the chances kept beside the
outlooks. Two gates, the US licence and the Chinese import, stay apart in the file that is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from chipwise.catalogue import Catalogue
from chipwise.core.dates import add_months, month_start
from chipwise.core.errors import ScenarioError
from chipwise.core.names import nearest_names
from chipwise.rules import Verdict, check
from chipwise.scenario.new import flow
from chipwise.scenario.questions import FREE

CHANCES = "chances"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyOutlook:
    """One outlook as it ships.

    Parameters
    ----------
    seen_from, seen_until : datetime.date, datetime.date or None
        Days of decision for which it makes sense, half-open.
    us, cn : mapping of state to what it assumes
        ``law``: ``as_of`` or a day; ``controlled_at_most``, ``foreign_at_most``, ``foreign_at_least``,
        ``home_at_most``: probabilities laid over the verdict.
    root : mapping
        The tree, branchings dated by months after the day of the decision.
    """

    id: str
    title: str
    describe: str
    seen_from: dt.date
    seen_until: dt.date | None
    us: Mapping[str, Mapping[str, Any]]
    cn: Mapping[str, Mapping[str, Any]]
    root: Mapping[str, Any]

    def fits(self, as_of: dt.date) -> bool:
        """Whether the outlook makes sense for a decision on this day."""
        return self.seen_from <= as_of and (self.seen_until is None or as_of < self.seen_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Who asks, where, when and for how many months."""

    to: str
    hq: str
    as_of: dt.date
    months: int


def _read(name: str) -> dict[str, Any]:
    from chipwise.files.yaml_tree import parse_yaml

    content = (resources.files("chipwise") / "data" / "outlooks" / f"{name}.yaml").read_bytes()
    value: dict[str, Any] = parse_yaml(content, file=f"{name}.yaml").value
    return value


def ready_outlooks() -> tuple[ReadyOutlook, ...]:
    """Every outlook that ships, by name."""
    folder = resources.files("chipwise") / "data" / "outlooks"
    names = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return tuple(ReadyOutlook(**_read(name)) for name in names if name != CHANCES)


def ready_outlook(name: str) -> ReadyOutlook:
    """One outlook.

    Raises
    ------
    ScenarioError
        When none has that name; names the nearest.
    """
    found = {entry.id: entry for entry in ready_outlooks()}
    if name not in found:
        raise ScenarioError(
            f"no outlook is called {name[:60]!r}",
            place="--outlook",
            allowed=", ".join(found),
            nearest=nearest_names(name, list(found)),
        )
    return found[name]


def demand_outlooks() -> Mapping[str, Mapping[str, Any]]:
    """Ready spreads of demand: name → title, paths (probability, factor on demand at the end) and reason."""
    found: Mapping[str, Mapping[str, Any]] = _read(CHANCES)["demand"]
    return found


def demand_outlook(name: str) -> Mapping[str, Any]:
    """One spread of demand.

    Raises
    ------
    ScenarioError
        When none has that name.
    """
    found = demand_outlooks()
    if name not in found:
        raise ScenarioError(
            f"no spread of demand is called {name[:60]!r}",
            place="--demand",
            allowed=", ".join(found),
            nearest=nearest_names(name, list(found)),
        )
    return found[name]


def outlook_lines(outlook: ReadyOutlook, chips: Iterable[str], buyer: Buyer, catalogue: Catalogue) -> Iterator[str]:
    """The `rules_outlook` section of a scenario file for these chips and this buyer, line by line.

    Raises
    ------
    ScenarioError
        When the day of the decision lies outside the days for which the outlook makes sense.
    """
    if not outlook.fits(buyer.as_of):
        until = "" if outlook.seen_until is None else f" and before {outlook.seen_until}"
        raise ScenarioError(
            f"outlook {outlook.id!r} is not seen from {buyer.as_of}",
            place="--outlook",
            allowed=f"a day of decision on or after {outlook.seen_from}{until}; for this day: "
            + ", ".join(entry.id for entry in ready_outlooks() if entry.fits(buyer.as_of)),
        )
    chances = _read(CHANCES)
    ids = list(dict.fromkeys(chips))
    yield f"rules_outlook:  # ready outlook {outlook.id}: {outlook.title}. Probabilities are assumptions: change them"
    yield "  applies_to: new shipments to this buyer; a shipment needs the US licence and the Chinese import gate"
    yield "  classes: {}"
    yield "  gates:"
    for gate, states, judge in (("us", outlook.us, _us_gate), ("cn", outlook.cn, _cn_gate)):
        yield f"    {gate}:"
        for name, state in states.items():
            day = buyer.as_of if state["law"] == "as_of" else state["law"]
            gates = {chip: judge(chip, day, state, buyer, chances, catalogue) for chip in ids}
            entry = {"nearest_rulebook": _basis(gate, state, day), "map": gates}
            yield f"      {name}: {flow({**entry, **({'note': state['note']} if 'note' in state else {})})}"
    yield f"  root: {flow({'date': buyer.as_of, **_dated(outlook.root, buyer)})}"


def _basis(gate: str, state: Mapping[str, Any], day: dt.date) -> str:
    words = {
        "controlled_at_most": "licences for controlled chips at most {:.0%}",
        "foreign_at_most": "foreign chips at most {:.0%}",
        "foreign_at_least": "foreign chips at least {:.0%}",
        "home_at_most": "home-made chips at most {:.0%}",
    }
    added = [text.format(state[key]) for key, text in words.items() if key in state]
    law = f"rules in force on {day}" if gate == "us" else f"import gate as reported by {day}"
    return law + (f"; assumed on top: {', '.join(added)}" if added else "")


def _verdict(chip_id: str, day: dt.date, buyer: Buyer, catalogue: Catalogue) -> tuple[Verdict, bool]:
    home = catalogue.chip(chip_id).vendor_country == buyer.hq == buyer.to
    route = "local_purchase" if home else "export_from_us"
    return check(chip_id, to=buyer.to, hq=buyer.hq, on=day, route=route, catalogue=catalogue), home


def _us_gate(
    chip_id: str,
    day: dt.date,
    state: Mapping[str, Any],
    buyer: Buyer,
    chances: Mapping[str, Any],
    catalogue: Catalogue,
) -> Any:
    """What the law of a day says of a chip, with what the state assumes on top."""
    found, home = _verdict(chip_id, day, buyer, catalogue)
    if home:
        return _bounded("free", 0.0, state.get("home_at_most", 1.0), "home-made")
    gate: Any = "barred"
    if found.outcome in FREE:
        gate = "free"
    elif found.outcome == "licence_required":
        gate = {"licence": chances["licence"][found.review_policy]}
    most = state.get("foreign_at_most", 1.0)
    if found.licence_required != "no":
        most = min(most, state.get("controlled_at_most", 1.0))
    return _bounded(gate, state.get("foreign_at_least", 0.0), most, "the state's own assumption")


def _cn_gate(
    chip_id: str,
    day: dt.date,
    state: Mapping[str, Any],
    buyer: Buyer,
    chances: Mapping[str, Any],
    catalogue: Catalogue,
) -> Any:
    """What was reported by a day of the import gate for a chip; open for what is made at home."""
    found, home = _verdict(chip_id, day, buyer, catalogue)
    if home or not found.china_gate["applies"]:
        return "free"
    gate = chances["import_gate"][found.china_gate["status"]]
    return _bounded(gate if gate == "free" else {"licence": gate}, state.get("foreign_at_least", 0.0), 1.0, "assumed")


def _bounded(gate: Any, least: float, most: float, why: str) -> Any:
    """A gate kept within two probabilities; what lies inside stays as it is."""
    chance = {"free": 1.0, "barred": 0.0}.get(gate) if isinstance(gate, str) else float(gate["licence"]["value"])
    assert chance is not None
    kept = max(least, min(most, chance))
    if kept == chance:
        return "barred" if chance == 0.0 else gate
    return "free" if kept >= 1.0 else "barred" if kept <= 0.0 else {"licence": {"value": kept, "assume": why}}


def _dated(node: Mapping[str, Any], buyer: Buyer) -> dict[str, Any]:
    """A node with dates for months; a branching at or after the horizon is left out."""
    out: dict[str, Any] = {key: node[key] for key in ("p", "state") if key in node}
    branching = node.get("next")
    if branching is not None and branching["after_months"] < buyer.months:
        day = add_months(month_start(buyer.as_of), branching["after_months"])
        branches = [_dated(branch, buyer) for branch in branching["branches"]]
        out["next"] = {"date": f"{day:%Y-%m}", "branches": branches}
    return out
