"""Figures of a whole plan as plain Plotly figure dicts ``{"data": [...], "layout": {...}}``.

They read the plan's results and hold no theme: the page gives text, grid and paper their colours for light, dark and
print. Text from the scenario is escaped, because Plotly reads tags in its labels.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


# ---------------------------------------------------------------------------------------------------- runway


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
    if low is None or high is None:
        return text.years(sense["years"])
    if str(low) == "inf":
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


def _interval_marks(
    sense: Mapping[str, Any], row: int, colour: str, reach: float, name: str
) -> list[dict[str, Any]]:
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
                "opacity": 0.35,
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


# ---------------------------------------------------------------------------------------------------- what would change it


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing a changed number may move: key of the sensitivity row, name, and how it is written."""

    key: str
    name: str
    axis: str
    scale: float
    form: Any


METRICS = (
    Metric(
        key="chips_bought_expected",
        name="chips bought over the horizon (expected)",
        axis="chips bought, expected",
        scale=1.0,
        form=text.count,
    ),
    Metric(key="chips_bought_now", name="chips bought now", axis="chips bought now", scale=1.0, form=text.count),
    Metric(key="cost_usd", name="cost (expected, discounted)", axis="cost, USD m", scale=1e6, form=text.usd),
    Metric(key="missed_share", name="share of work missed", axis="share missed, %", scale=0.01, form=text.share),
)


def changed_value(row: Mapping[str, Any]) -> str:
    """The changed number with its central value."""
    unit = str(row.get("unit", ""))
    return f"{text.quantity(row.get('value'), unit)} (not {text.quantity(row.get('central'), unit)})"


def sensitivity_figure(rows: Sequence[Mapping[str, Any]], metric: Metric, base: float | None, most: int = 14) -> Figure:
    """Tornado: from the central plan to the plan with one number at either end of its range, widest first."""
    spans: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        spans.setdefault(str(row["label"]), []).append(row)
    values = {name: [float(text.as_number(row.get(metric.key)) or 0.0) for row in found] for name, found in spans.items()}
    centre = base if base is not None else _middle(values)
    widest = sorted(values, key=lambda name: (-max(abs(value - centre) for value in values[name]), name))[:most]
    ends = ((False, "number at the low end", palette.LOW_END), (True, "number at the high end", palette.HIGH_END))
    data = []
    for upper, name, colour in ends:
        picked = [
            (title, row) for title in widest for row in spans[title] if (_number(row, "value") > _number(row, "central")) == upper
        ]
        if not picked:
            continue
        shown = [_number(row, metric.key) for _, row in picked]
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "y": [label(title) for title, _ in picked],
                "x": rounded([(value - centre) / metric.scale for value in shown]),
                "base": float(f"{centre / metric.scale:.6g}"),
                "marker": {"color": colour},
                "customdata": [
                    [label(changed_value(row)), metric.form(value)] for (_, row), value in zip(picked, shown, strict=True)
                ],
                "hovertemplate": f"%{{y}}<br>at %{{customdata[0]}}<br>{metric.name}: %{{customdata[1]}}<extra></extra>",
            }
        )
    layout = base_layout(
        xaxis=axis(metric.axis),
        yaxis=axis(categoryorder="array", categoryarray=[label(name) for name in reversed(widest)]),
        barmode="overlay",
        bargap=0.35,
        height=120 + 30 * len(widest),
        shapes=[
            {
                "type": "line",
                "x0": centre / metric.scale,
                "x1": centre / metric.scale,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"width": 1.5, "color": palette.WANTED, "dash": "dot"},
            }
        ],
    )
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    layout["margin"] = {"l": 8, "r": 16, "t": 32, "b": 8}
    return {"data": data, "layout": layout}


def _number(row: Mapping[str, Any], key: str) -> float:
    return float(text.as_number(row.get(key)) or 0.0)


def _middle(values: Mapping[str, Sequence[float]]) -> float:
    flat = sorted(value for found in values.values() for value in found)
    return flat[len(flat) // 2] if flat else 0.0
