"""Figures and the HTML report; they read results only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chipwise.planning.result import Plan

__all__ = ["write_report"]


def write_report(plan: Plan | Mapping[str, Any], path: str | Path) -> Path:
    """Write the report of a plan as one self-contained HTML file.

    Parameters
    ----------
    plan : Plan or mapping
        A plan, or the content of plan.json.
    path : str or pathlib.Path
        Target; its folder must exist. An older file is replaced whole or not at all.

    Returns
    -------
    pathlib.Path
        The target.

    Raises
    ------
    InputError
        When the target cannot be written.
    """
    from chipwise.files.atomic import write_text
    from chipwise.report.html import render_report

    content = dict(plan) if isinstance(plan, Mapping) else plan.to_dict()
    return write_text(path, render_report(content))
