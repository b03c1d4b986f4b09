"""A scenario file from a few answers.

Everything that was not asked (use of the fleet, worth of old chips, discount rate, power) is taken from a shipped
scenario and says so in the file, number by number, so that nothing is assumed in silence.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chipwise.catalogue import Catalogue, System
from chipwise.core.errors import InputError, ScenarioError
from chipwise.scenario.load import scenario_bytes, scenario_of
from chipwise.scenario.questions import FREE, Answers, answers_from, offer

LIKE = "small-startup-2023"
"""Shipped scenario whose assumptions a new one takes over unless another is asked for."""
SAID = "answer given when the file was made"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def scenario_text(known: Answers, id: str, *, like: str = LIKE, demand: str = "") -> str:
    """The file made of all answers, checked as `load_scenario` would check it.

    Parameters
    ----------
    known : Answers
        Every question answered.
    id : str
        Id of the scenario: letters, digits, ``_``, ``.`` and ``-``.
    like : str
        Shipped scenario from which the assumptions come.
    demand : str
        Ready spread of demand around the path answered; none when blank.

    Raises
    ------
    InputError
        When the id is no name, or no shipped scenario is called `like`, or no spread is called `demand`.
    """
    from chipwise.files.yaml_tree import parse_yaml

    if not _NAME.fullmatch(id):
        raise ScenarioError(f"{id[:60]!r} is no name", place="--id", allowed="letters, digits, _ . -")
    taken = parse_yaml(scenario_bytes(like), file=like).value
    spread = _read_spread(demand)
    text = "\n".join(_lines(known, id, taken, like, spread)) + "\n"
    scenario_of(parse_yaml(text.encode(), file=f"{id}.yaml"), catalogue=known.catalogue)
    return text


def read_answers(path: str | Path) -> dict[str, str]:
    """Answers from a YAML file: a mapping of question to answer; a list is read as several entries.

    Raises
    ------
    InputError
        When the file cannot be read, or a key is no question; names the nearest.
    """
    from chipwise.core.names import nearest_names
    from chipwise.files.yaml_tree import read_yaml
    from chipwise.scenario.questions import QUESTIONS

    tree = read_yaml(path)
    if not isinstance(tree.value, dict):
        raise ScenarioError("the file is no mapping", place=tree.place(()), allowed="question: answer")
    keys = [question.key for question in QUESTIONS]
    out: dict[str, str] = {}
    for key, value in tree.value.items():
        if key not in keys:
            message = f"{str(key)[:60]!r} is no question"
            raise ScenarioError(message, place=tree.place((key,)), nearest=nearest_names(str(key), keys))
        entries = value if isinstance(value, list) else ["" if value is None else value]
        if any(isinstance(entry, (dict, list, bool)) for entry in entries):
            raise ScenarioError("cannot stand here", place=tree.place((key,)), allowed="text, or a list of texts")
        out[key] = "; ".join(str(entry) for entry in entries)
    return out


def new_from_answers(
    given: Mapping[str, str],
    id: str,
    out: str | Path,
    *,
    catalogue: Catalogue,
    like: str = LIKE,
    overwrite: bool = False,
) -> Path:
    """Write a scenario file from answers; see `scenario_text`.

    Raises
    ------
    InputError
        An answer cannot be used, or the file exists or cannot be written.
    """
    return write_new(scenario_text(answers_from(given, catalogue), id, like=like), out, overwrite=overwrite)


def write_new(text: str, out: str | Path, *, overwrite: bool = False) -> Path:
    """Write a file that must not exist yet, unless `overwrite`."""
    from chipwise.files.atomic import write_text

    target = Path(out)
    if os.path.exists(target) and not (overwrite and target.is_file()):
        raise InputError("the file exists", place=str(out), allowed="a new file, or --force to replace a file")
    return write_text(out, text)


def _read_spread(name: str) -> Mapping[str, Any] | None:
    from chipwise.scenario.outlooks import demand_outlook

    return demand_outlook(name) if name else None


def _lines(
    known: Answers, id: str, taken: Mapping[str, Any], like: str, spread: Mapping[str, Any] | None
) -> Iterator[str]:
    found = known.found
    cash, unit = found["cash"]
    as_in = f"as in {like}"
    residual = _marked(taken["horizon"]["residual_by_age_years"], as_in)
    party = {"name": found["name"], "headquarters": found["hq"], "ultimate_parent_country": found["hq"]}
    finance = {
        "cash": {"value": cash, "unit": unit, "assume": SAID},
        "discount_rate": _marked(taken["finance"]["discount_rate"], as_in),
    }
    yield f"# Scenario: {found['name']} on {known.as_of}"
    yield f"# Made from answers. What was not asked is marked `{as_in}`: change what does not fit."
    yield "schema: planning-scenario/0.3"
    yield f"id: {id}"
    yield f"as_of: {known.as_of}"
    yield "question: What to buy, rent, borrow, port or defer?"
    yield "currency: {unit: USD, per_usd: {value: 1, src: definition}}"
    yield f"horizon: {flow({'months': found['months'], 'residual_by_age_years': residual})}"
    yield f"party: {flow(party)}"
    yield f"finance: {flow(finance)}"
    yield from _stock_lines(known)
    yield f"fleet_use: {flow(_marked(taken['fleet_use'], as_in))}"
    yield from _demand_lines(known, _marked(taken["demand"], as_in), spread)
    yield from _market_lines(known)
    yield f"power: {flow(_marked(taken['power'], as_in))}"
    yield from _outlook_lines(known)


def _marked(entry: Any, as_in: str) -> Any:
    """The same with every assumption and source marked as taken over."""
    if isinstance(entry, list):
        return [_marked(part, as_in) for part in entry]
    if not isinstance(entry, dict):
        return entry
    out = {key: _marked(part, as_in) for key, part in entry.items() if key not in ("src", "assume")}
    said = entry.get("assume", entry.get("src"))
    return out if said is None else {**out, "assume": f"{as_in}: {said}"}


def _stock_lines(known: Answers) -> Iterator[str]:
    stock = known.found["stock"]
    yield "stock:" if stock else "stock: []"
    for item, count in stock:
        yield f"  - {flow({'chip': item, 'count': {'value': count, 'assume': SAID}})}"


def _demand_lines(known: Answers, assumed: Mapping[str, Any], spread: Mapping[str, Any] | None) -> Iterator[str]:
    yield "demand:"
    yield "  training:" if known.found["train"] else "  training: []"
    for model_id, tokens, deadline in known.found["train"]:
        model = known.catalogue.model(model_id)
        why = f"6 x {model.params_active:.4g} active parameters x {tokens:.4g} tokens"
        run: dict[str, Any] = {"name": f"{model.name} on {tokens:.3g} tokens", "proxy": model_id}
        run |= {"deadline": deadline} if deadline else {}
        yield f"    - {flow({**run, 'flop': {'value': 6.0 * model.params_active * tokens, 'assume': why}})}"
    if known.found["train"] and "final_run_share_of_research_compute" in assumed:
        yield f"  final_run_share_of_research_compute: {flow(assumed['final_run_share_of_research_compute'])}"
    if known.found["serve"] is None:
        return
    model_id, first, last = known.found["serve"]
    model = known.catalogue.model(model_id)
    points = [
        {"date": f"{known.as_of:%Y-%m}", "value": first / 1e9},
        {"date": f"{known.end:%Y-%m}", "value": last / 1e9},
    ]
    yield "  inference:"
    yield "    unit: billion tokens per day"
    paths, chances, why = {"central": points}, {"central": 1.0}, "one path was given"
    if spread is not None:
        paths = spread_paths(points, spread)
        chances, why = {name: path["p"] for name, path in spread["paths"].items()}, spread["assume"]
    yield f"    paths: {flow(paths)}"
    yield f"    path_probabilities: {flow({'value': chances, 'assume': why})}"
    yield f"    basis: {flow({'assume': SAID})}"
    size = {"value": model.params_active / 1e9, "src": f"models/{model_id}"}
    share = {"value": 1.0, "assume": "one model"}
    serving = {"name": f"tokens of {model.name}", "proxy": model_id, "active_params_b": size, "token_share": share}
    yield f"  serving: [{flow(serving)}]"
    if "latency_slo" in assumed:
        yield f"  latency_slo: {flow(assumed['latency_slo'])}"


def spread_paths(points: list[dict[str, Any]], spread: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Paths of demand from one: the first points stay, the last is multiplied."""
    return {
        name: [*points[:-1], {**points[-1], "value": points[-1]["value"] * path["end"]}]
        for name, path in spread["paths"].items()
    }


def _market_lines(known: Answers) -> Iterator[str]:
    market = known.found["market"]
    yield "market:  # what the law leaves open is decided again when the plan is made" if market else "market: []"
    for found, price, source, month, lead in market:
        cost = {"value": price / 1e3, "unit": "kUSD per chip", **({"src": source} if source else {"assume": SAID})}
        line = {
            "item": found.chip.id,
            "access": "buy",
            "place": known.found["hq"],
            "price": cost,
            "monthly_cap": {"value": month, "assume": SAID},
            "lead_months": {"value": lead, "assume": SAID},
        }
        yield f"  - {flow(line)}"


def _outlook_lines(known: Answers) -> Iterator[str]:
    """The state of the day for every chip named; with a chance of closing, a second state and its branch."""
    home = known.found["hq"]
    ids = dict.fromkeys([*(_chip_of(item, known) for item, _ in known.found["stock"]),
                         *(entry[0].chip.id for entry in known.found["market"])])  # fmt: skip
    today, closed = {}, {}
    for chip_id in ids:
        chip = known.catalogue.chip(chip_id)
        found = offer(chip, known)
        domestic = chip.vendor_country == home
        today[chip_id] = "free" if found.outcome in FREE or (domestic and found.open) else "barred"
        closed[chip_id] = today[chip_id] if domestic else "barred"
    yield "rules_outlook:  # new shipments to this buyer; add states and branches for the futures you expect"
    yield "  classes: {}"
    yield "  states:"
    yield f"    today: {flow({'nearest_rulebook': f'rules in force on {known.as_of}', 'map': today})}"
    root: dict[str, Any] = {"date": known.as_of, "state": "today"}
    if known.found["close"] is not None:
        chance, day = known.found["close"]
        yield f"    closed: {flow({'nearest_rulebook': 'no chip of a foreign maker may be shipped', 'map': closed})}"
        branches = [
            {"p": {"value": chance, "assume": SAID}, "state": "closed"},
            {"p": {"value": 1.0 - chance, "assume": "complement"}, "state": "today"},
        ]
        root["next"] = {"date": f"{day:%Y-%m}", "branches": branches}
    yield f"  root: {flow(root)}"


def _chip_of(item: str, known: Answers) -> str:
    found = known.catalogue.item(item)
    return found.chip_id if isinstance(found, System) else found.id


def flow(value: Any) -> str:
    """A value as YAML on one line; every text quoted where it must be.

    Examples
    --------
    >>> flow({"a": [1, 2.5, None], "b": "x: y", "c": dt.date(2024, 2, 29)})
    '{a: [1, 2.5, null], b: "x: y", c: 2024-02-29}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    return (
        text
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*( [A-Za-z0-9_-]+)*", text) and not _word(text)
        else json.dumps(text)
    )


def _key(key: object) -> str:
    return str(key) if isinstance(key, int) else flow(str(key))


def _word(text: str) -> bool:
    """Whether YAML would read the word as something else than text."""
    return text.casefold() in ("null", "true", "false", "nan", "inf", "yes", "no", "on", "off", "y", "n")
