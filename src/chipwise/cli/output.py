"""What every command shares: JSON or table, notices, dates, progress."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from chipwise.core.errors import InputError

NOT_LEGAL_ADVICE = "Not legal advice."


def parse_date(text: str | None, option: str) -> dt.date | None:
    """Read an ISO date given on the command line, or explain what is allowed."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a date", place=option, allowed="YYYY-MM-DD") from None


def print_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    from chipwise.core.json_text import dumps

    typer.echo(dumps(value), nl=False)


def print_table(
    rows: Iterable[Sequence[object]],
    headers: Sequence[str],
    *,
    right: Sequence[int] = (),
    title: str = "",
    width: int | None = None,
) -> None:
    """Write a plain aligned table; columns listed in `right` are right-aligned."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, show_edge=False)
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*["" if cell is None else str(cell) for cell in row])
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    if width is None and not sys.stdout.isatty():
        console = Console(file=sys.stdout, width=160, highlight=False, markup=False, emoji=False)
    console.print(table)


class Progress:
    """Progress on standard error: one line, rewritten on a terminal; elsewhere one line a step.

    Calling it with ``(done, total, message)`` is the one progress protocol of chipwise.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self.live = enabled and sys.stderr.isatty()
        self.last: tuple[int, str] = (-1, "")

    def __call__(self, done: int, total: int, message: str) -> None:
        """Show that `done` of `total` steps are finished and `message` is under way."""
        if not self.enabled or (done, message) == self.last:
            return
        new_step = done != self.last[0]
        self.last = (done, message)
        text = f"[{done}/{total}] {message}"
        if self.live:
            sys.stderr.write(f"\r\x1b[2K{text}")
        elif new_step:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the progress line."""
        if self.live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
