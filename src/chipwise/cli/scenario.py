"""`chipwise scenario`: check, show, compare and start scenario files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chipwise.cli.catalogue_tables import catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.cli.scenario_new import new_command
from chipwise.core.errors import EXIT_BAD_INPUT, ChipwiseError

if TYPE_CHECKING:
    from chipwise.scenario import Quantity, Scenario

app = typer.Typer(no_args_is_help=True, help="Check, show, compare and start scenario files.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Catalog = Annotated[
    list[Path] | None, typer.Option("--catalog", help="Folder with your own chips, systems or models; repeatable.")
]
Name = Annotated[str, typer.Argument(help="Shipped id (see `scenario list`), path, or id@reading.")]


@app.command("list")
def list_command(json: Json = False) -> None:
    """List the scenarios that come with chipwise."""
    from chipwise.scenario import load_scenario, shipped_scenarios

    rows = [load_scenario(name) for name in shipped_scenarios()]
    if json:
        print_json([{"id": row.id, "as_of": row.as_of, "title": row.title, "question": row.question} for row in rows])
        return
    print_table([(row.id, row.as_of, row.question) for row in rows], ("id", "day of decision", "question"))


@app.command("validate")
def validate_command(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Paths or shipped ids.")],
    json: Json = False,
    catalog: Catalog = None,
) -> None:
    """Check scenario files.

    Exit 0 when all are good, 2 with a located message for each that is not.
    """
    from chipwise.scenario import load_scenario
    from chipwise.scenario.show import summary

    catalogue = catalogue_with(catalog or [])
    results: list[dict[str, object]] = []
    for name in files:
        try:
            read = summary(load_scenario(name, catalogue=catalogue))
        except ChipwiseError as error:
            fault = {"code": error.code, "place": error.place, "message": error.message, "allowed": error.allowed}
            results.append({"file": name, "ok": False, "error": {**fault, "nearest": list(error.nearest)}})
            if not json:
                typer.echo(f"chipwise: {error.line()}", err=True)
            continue
        results.append({"file": name, "ok": True, **read})
        if not json:
            typer.echo(_sentence(name, read))
    if json:
        print_json({"ok": all(result["ok"] for result in results), "files": results})
    if not all(result["ok"] for result in results):
        raise typer.Exit(EXIT_BAD_INPUT)


def _sentence(name: str, read: dict[str, object]) -> str:
    lines = [
        f"{name}: ok. {read['title']}",
        f"  {read['chips']:,.0f} chips in {read['stock_lines']} lines, {read['market_lines']} market lines, "
        f"{read['runs']} runs, {read['demand_paths']} demand paths, {read['states']} states of the rules, "
        f"{read['futures']} futures over {read['months']} months",
        f"  {read['numbers']} numbers: {read['with_range']} with a range, {read['assumed']} assumed, "
        f"{read['known_only_later']} on evidence published after the day of the decision",
    ]
    if read["accept_needs_counsel"]:
        lines.append(f"  opts in to chips that need counsel: {read['accept_needs_counsel']}")
    if read["readings"]:
        lines.append(f"  readings: {', '.join(map(str, _list(read['readings'])))}; taken: {read['reading']}")
    lines.extend(f"  note: {warning}" for warning in _list(read["warnings"]))
    return "\n".join(lines)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@app.command("show")
def show_command(name: Name, json: Json = False, catalog: Catalog = None) -> None:
    """Show every number read, with its source.

    In SI units and US dollars, with range; then every other input, demand and the futures of the rules.
    """
    from chipwise.scenario import load_scenario
    from chipwise.scenario.objects import Quantity
    from chipwise.scenario.show import document, flat, summary

    scenario = load_scenario(name, catalogue=catalogue_with(catalog or []))
    if json:
        print_json(document(scenario))
        return
    typer.echo(f"{_sentence(name, summary(scenario))}\n")
    inputs = flat(scenario)
    own_table = ("demand.paths.", "outlook.root.")
    numbers = {key: value for key, value in inputs.items() if isinstance(value, Quantity)}
    rows = [_row(key, value) for key, value in numbers.items() if not key.startswith(own_table)]
    headers = ("number", "value", "low", "high", "unit", "source")
    print_table(rows, headers, right=(1, 2, 3), title="Numbers, in SI units and US dollars")
    others = [(key, _cell(value)) for key, value in inputs.items() if key not in numbers and not _is_label(key)]
    typer.echo("")
    print_table([row for row in others if row[1]], ("input", "value"), title="Everything else")
    _show_demand(scenario)
    _show_outlook(scenario)


def _show_demand(scenario: Scenario) -> None:
    paths = []
    for path in scenario.demand.paths:
        points = ", ".join(f"{day}: {_figure(tokens.value)}" for day, tokens in path.points)
        paths.append((path.name, f"{path.probability:.0%}", points))
    if paths:
        typer.echo("")
        source = scenario.demand.paths[0].points[0][1].source
        print_table(paths, ("path", "probability", "tokens per day"), title=f"Demand ({source})")


def _show_outlook(scenario: Scenario) -> None:
    outlook = scenario.outlook
    typer.echo("")
    nodes = []
    for node in outlook.root.walk():
        chance = node.probability
        spread = f"{chance.low:.0%}-{chance.high:.0%}" if chance.low != chance.high else ""
        name = "  " * node.id.count(".") + node.id
        nodes.append((name, node.start, f"{chance.value:.0%}", spread, node.state, chance.source))
    print_table(nodes, ("future", "from", "chance", "range", "state", "source"), title="Futures of the rules")
    typer.echo("")
    chips = sorted({chip for state in outlook.states.values() for chip in state.gates})
    gates = [(chip, *(_gate(state.gates, chip) for state in outlook.states.values())) for chip in chips]
    print_table(gates, ("chip", *outlook.states), title="What each state of the rules says of each chip")


def _row(name: str, quantity: Quantity) -> tuple[str, ...]:
    source = f"assumed: {quantity.source}" if quantity.status == "assumed" else quantity.source
    if quantity.ex_post:
        source += " (known only later)"
    if quantity.bound:
        source += f" ({quantity.bound} bound)"
    ranged = quantity.low != quantity.high
    low, high = (_figure(quantity.low), _figure(quantity.high)) if ranged else ("", "")
    return name, _figure(quantity.value), low, high, quantity.unit, source


def _figure(value: float) -> str:
    """Four significant figures; thousands set apart, big and small numbers in powers of ten."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e7:
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:,.4g}"
    return f"{value:.4g}"


def _is_label(name: str) -> bool:
    """Whether the line only says again what its name or another table says."""
    if name.startswith(("outlook.states.", "outlook.root.", "demand.paths.")):
        return not name.endswith((".nearest_rulebook", ".note", ".use_limit"))
    labels = (".id", ".name", ".chip_id", ".item_id", ".access", ".place", ".ex_post", ".done")
    return name.startswith(("market.", "stock.", "demand.", "members.", "finance.")) and name.endswith(labels)


def _gate(gates: object, chip: str) -> str:
    gate = gates.get(chip) if hasattr(gates, "get") else None
    if gate is None:
        return "not said"
    return f"licence {gate.probability:.0%}" if gate.kind == "licence" else str(gate.kind)


def _cell(value: object) -> str:
    return "" if value is None else str(value)


@app.command("schema")
def schema_command(
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file instead of the terminal.")] = None,
) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from chipwise.core.json_text import dumps
    from chipwise.files.atomic import write_text
    from chipwise.files.scenario_schema import json_schema

    text = dumps(json_schema())
    if out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"written: {write_text(out, text)}")


@app.command("diff")
def diff_command(first: Name, second: Name, json: Json = False, catalog: Catalog = None) -> None:
    """Compare two scenarios input by input.

    Exit 0 when they are the same, 1 when they differ.
    """
    from chipwise.core.errors import EXIT_NO
    from chipwise.scenario import load_scenario
    from chipwise.scenario.diff import differences

    catalogue = catalogue_with(catalog or [])
    found = differences(load_scenario(first, catalogue=catalogue), load_scenario(second, catalogue=catalogue))
    if json:
        rows = [{"kind": d.kind, "name": d.name, "first": _side(d.first), "second": _side(d.second)} for d in found]
        print_json({"same": not found, "differences": rows})
    elif found:
        table = [(d.name, _brief(d.first), _brief(d.second)) for d in found]
        print_table(table, ("input", first, second), title=f"{len(found)} inputs differ")
    else:
        typer.echo("the same inputs")
    if found:
        raise typer.Exit(EXIT_NO)


def _side(value: object) -> object:
    fact = getattr(value, "fact", None)
    return fact().to_dict() if callable(fact) else value


def _brief(value: object) -> str:
    from chipwise.scenario.objects import Quantity

    if not isinstance(value, Quantity):
        return _cell(value) or "none"
    _, figure, low, high, unit, source = _row("", value)
    text = f"{figure} {unit}".strip()
    return f"{text} [{low}, {high}] ({source})" if low else f"{text} ({source})"


@app.command("outlooks")
def outlooks_command(
    on: Annotated[str | None, typer.Option("--on", help="Only those seen from this day of decision.")] = None,
    json: Json = False,
) -> None:
    """List ready outlooks: trees of rule futures and spreads of demand to start from.

    Insert one with `chipwise scenario new --out FILE --from SCENARIO --outlook NAME`.
    """
    from chipwise.cli.output import parse_date
    from chipwise.scenario.outlooks import demand_outlooks, ready_outlooks

    day = parse_date(on, "--on")
    rows = [entry for entry in ready_outlooks() if day is None or entry.fits(day)]
    spreads = demand_outlooks()
    if json:
        outlooks = [
            {"id": row.id, "title": row.title, "describe": row.describe, "from": row.seen_from, "until": row.seen_until}
            for row in rows
        ]
        print_json({"outlooks": outlooks, "demand": [{"id": name, **entry} for name, entry in spreads.items()]})
        return
    until = "day of decision"
    print_table([(row.id, f"{row.seen_from} to {row.seen_until or 'now'}", row.title) for row in rows],
                ("--outlook", until, "what may come"))  # fmt: skip
    typer.echo("")
    print_table([(name, entry["title"]) for name, entry in spreads.items()], ("--demand", "demand"))


app.command("new")(new_command)
