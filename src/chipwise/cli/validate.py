"""``chipwise validate``: judge the model on measured cases, without fitting to them."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import typer

from chipwise.cli import output
from chipwise.core.errors import InputError, UnknownName
from chipwise.core.names import nearest_names

KINDS = ("rules", "training", "inference", "serving", "runway")
"""Kinds of cases; each lives in ``chipwise.validation.<kind>`` as ``validate_<kind>``."""


def validate_command(
    kind: str = typer.Argument(..., help=f"What to judge: {', '.join(KINDS)}.", metavar="KIND"),
    file: str | None = typer.Argument(None, help="Cases in the columns of the shipped table.", metavar="[FILE]"),
    without_own: bool = typer.Option(
        False, "--without-own", help="Serving: as if nobody had timed kernels on the chips of the runs."
    ),
    as_json: bool = typer.Option(False, "--json", help="Write JSON with every row."),
) -> None:
    """Score predictions on a table of cases with known answers: the shipped one, or FILE."""
    if kind not in KINDS:
        raise UnknownName(
            f"{kind!r} is no kind of cases", place="KIND", allowed=", ".join(KINDS), nearest=nearest_names(kind, KINDS)
        )
    module = importlib.import_module(f"chipwise.validation.{kind}")
    if without_own and kind != "serving":
        raise InputError(f"has no such choice for {kind}", place="--without-own", allowed="validate serving")
    options = {"without_own": True} if without_own else {}
    result: dict[str, Any] = getattr(module, f"validate_{kind}")(Path(file) if file else None, **options)
    if as_json:
        output.print_json(result)
    elif "agree" in result:
        _print_agreement(kind, result)
    else:
        _print_scores(kind, result)


def _percent(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100.0 * value:.2f} %" if math.isfinite(value) else "inf"


def _print_scores(kind: str, result: dict[str, Any]) -> None:
    def line(name: str, part: dict[str, Any]) -> list[object]:
        scores = [_percent(part.get(key)) for key in ("median_ape", "mape", "bias", "coverage90")]
        return [name, part["n"], part["n_predicted"], *scores]

    rows = [line(name, part) for name, part in result.get("by", {}).items()]
    output.print_table(
        [*rows, line("all", result)],
        ["group", "cases", "predicted", "median error", "mean error", "bias", "in 90 % interval"],
        right=range(1, 7),
        title=f"validate {kind}: predictions against cases, nothing fitted to them",
    )
    _print_statuses(result.get("rows", []))


def _print_statuses(rows: list[dict[str, Any]]) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        if row.get("status") not in (None, "ok"):
            counts[row["status"]] = counts.get(row["status"], 0) + 1
    shown = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    for status, count in shown[:8]:
        typer.echo(f"not predicted: {count} x {status}")
    if len(shown) > 8:
        typer.echo(f"not predicted: {sum(count for _, count in shown[8:])} more for other reasons; see --json")


def _print_agreement(kind: str, result: dict[str, Any]) -> None:
    keys = [key for key in ("n", "agree", "needs_counsel", "wrong") if key in result]
    names = {"n": "cases", "needs_counsel": "needs counsel"}
    output.print_table(
        [[result[key] for key in keys]],
        [names.get(key, key) for key in keys],
        right=range(len(keys)),
        title=f"validate {kind}",
    )
    odd = [row for row in result.get("rows", []) if row.get("agrees") is False]
    for row in odd[:20]:
        typer.echo(f"differs: {row.get('id')}: {row.get('outcome')} ({row.get('classification')})")
    if len(odd) > 20:
        typer.echo(f"differs: {len(odd) - 20} more; see --json")
    typer.echo(output.NOT_LEGAL_ADVICE)
