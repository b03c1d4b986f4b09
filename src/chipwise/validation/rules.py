"""Score the rules engine on oracle rows: agreement on all four answers, and the one error that must never happen."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any


def validate_rules(path: str | Path | None = None) -> dict[str, Any]:
    """Answer every row of a file in the columns of ``oracles.csv`` and compare.

    Parameters
    ----------
    path : str or Path or None
        The shipped rows when None.

    Returns
    -------
    dict
        ``n, agree, needs_counsel, wrong, free_where_licence, errors, rows``. A contested row agrees with the listed
        answer or with ``needs_counsel``; `needs_counsel` counts answers with that outcome; `wrong` those that
        do not agree.
    """
    from chipwise.catalogue import load_catalogue
    from chipwise.rules.cases import read_cases
    from chipwise.rules.rulebook import load_rulebook
    from chipwise.rules.scoring import scored

    if path is None:
        path = Path(str(resources.files("chipwise.data").joinpath("rules/oracles.csv")))
    rulebook, catalogue = load_rulebook(), load_catalogue()
    rows = [scored(row, rulebook) for row in read_cases(Path(path), rulebook, catalogue)]
    judged = [row for row in rows if row["agrees"] is not None]
    return {
        "n": len(rows),
        "agree": sum(bool(row["agrees"]) for row in judged),
        "needs_counsel": sum(row["outcome"] == "needs_counsel" for row in rows),
        "wrong": sum(not row["agrees"] for row in judged),
        "free_where_licence": sum(bool(row["free_where_licence"]) for row in rows),
        "errors": sum("error" in row for row in rows),
        "rows": rows,
    }
