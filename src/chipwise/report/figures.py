"""Figures of a whole plan as plain Plotly figure dicts ``{"data": [...], "layout": {...}}``.

They read the plan's results and hold no theme: the page gives text, grid and paper their colours for light, dark and
print. Text from the scenario is escaped, because Plotly reads tags in its labels.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from chipwise.report import palette, text

Figure = dict[str, Any]

SENSES = ("programme", "flagship", "squeeze", "wear")
SENSE_NAMES = {
    "programme": "Research programme",
    "flagship": "Next flagship run",
    "squeeze": "Serving squeeze",
    "wear": "Wear of the cluster",
}
SENSE_ENDS = {
    "programme": "ends when a year's training and research no longer fit in the share of the fleet left for them",
    "flagship": "ends when the biggest run wanted no longer fits on the biggest single cluster",
    "squeeze": "ends when serving needs more than training leaves",
    "wear": "ends when failures bring the biggest cluster below what is needed",
}
LONGEST_YEARS = 12.0
"""Years at which the axis of the runway chart stops; longer intervals get an arrow."""


def label(value: object) -> str:
    """Text that Plotly shows as it is, tags and all."""
    return html.escape(str(value), quote=False)


def rounded(values: Sequence[Any]) -> list[float | None]:
    """Numbers with six significant digits, so that a report stays small; what is not finite becomes a gap."""
    out: list[float | None] = []
    for value in values:
        number = text.as_number(value)
        out.append(None if number is None or math.isinf(number) else float(f"{number:.6g}"))
    return out


def base_layout(**more: Any) -> dict[str, Any]:
    """What all figures share."""
    layout: dict[str, Any] = {
        "margin": {"l": 8, "r": 16, "t": 12, "b": 8},
        "hoverlabel": {"align": "left"},
        "legend": {"orientation": "h", "x": 0, "y": -0.18, "yanchor": "top", "traceorder": "normal"},
    }
    return {**layout, **more}


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis with its unit in the title."""
    return {"title": {"text": title, "standoff": 8}, "automargin": True, **more}


def _reach(runway: Mapping[str, Any]) -> float:
    """Right end of the axis, years."""
    finite = [2.0]
    for name in SENSES:
        sense = runway.get(name) or {}
        for key in ("years", "low", "high"):
            number = text.as_number(sense.get(key))
            if number is not None and math.isfinite(number):
                finite.append(number)
    return min(max(finite) * 1.12, LONGEST_YEARS)


def runway_sentence(sense: Mapping[str, Any]) -> str:
    """Central value with its interval, in words."""
    if sense.get("years") is None:
        return text.UNKNOWN
    low, high = sense.get("low"), sense.get("high")
    if low is None or high is None or str(low) == "inf":
        return text.years(sense["years"])
    return f"{text.years(sense['years'])} ({text.years(low, unit=False)} to {text.years(high, unit=False)})"


def runway_figure(runway: Mapping[str, Any]) -> Figure:
    """The four senses as intervals over years: 5th to 95th percentile as a bar, the central value as a mark."""
    reach = _reach(runway)
    data: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for row, name in enumerate(SENSES):
        sense = runway.get(name) or {}
        binding = runway.get("binding") == name
        colour = palette.DEBT if binding else palette.CASH
        title = f"<b>{SENSE_NAMES[name]}</b>{' · ends first' if binding else ''} · {runway_sentence(sense)}"
        notes.append(
            {"x": 0, "y": row - 0.34, "text": title, "showarrow": False, "xanchor": "left", "xref": "x", "yref": "y"}
        )
        if sense.get("years") is None:
            continue
        data.extend(_interval_marks(sense, row, colour, reach, SENSE_NAMES[name]))
    layout = base_layout(
        xaxis=axis("years from the day of the decision", range=[0, reach * 1.02], zeroline=True),
        yaxis={"range": [3.5, -0.7], "visible": False, "fixedrange": True},
        showlegend=False,
        annotations=notes,
        height=330,
    )
    layout["margin"] = {"l": 12, "r": 24, "t": 4, "b": 8}
    return {"data": data, "layout": layout}


def _interval_marks(sense: Mapping[str, Any], row: int, colour: str, reach: float, name: str) -> list[dict[str, Any]]:
    """Bar, median tick and central mark of one sense, clipped at `reach` with an arrow."""
    centre = text.as_number(sense.get("years"))
    low = text.as_number(sense.get("low"))
    high = text.as_number(sense.get("high"))
    median = text.as_number(sense.get("median"))
    marks: list[dict[str, Any]] = []
    hover = f"{name}: {runway_sentence(sense)}<extra></extra>"
    if low is not None and high is not None:
        start, end = min(low, reach), min(high, reach)
        marks.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": rounded([start, end]),
                "y": [row, row],
                "line": {"color": colour, "width": 14},
                "opacity": 0.45,
                "hovertemplate": hover,
            }
        )
        if high > reach:
            marks.append(_mark(reach, row, colour, "triangle-right", 15, hover))
    if median is not None and median <= reach:
        marks.append(_mark(median, row, colour, "line-ns-open", 16, f"median {text.years(median)}<extra></extra>"))
    if centre is not None:
        beyond = centre > reach
        marks.append(_mark(min(centre, reach), row, colour, "triangle-right" if beyond else "diamond", 13, hover))
    return marks


def _mark(x: float, y: float, colour: str, symbol: str, size: int, hover: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([x]),
        "y": [y],
        "marker": {"color": colour, "symbol": symbol, "size": size, "line": {"color": colour, "width": 2}},
        "cliponaxis": False,
        "hovertemplate": hover,
    }
