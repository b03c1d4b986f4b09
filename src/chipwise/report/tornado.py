"""What would change the answer, as a tornado: one number at a time at either end of its range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chipwise.report import palette, text
from chipwise.report.figures import Figure, axis, base_layout, label, rounded


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


VISIBLE = 0.005
"""Share of the widest swing under which a number is said to have no visible effect."""


def swings(rows: Sequence[Mapping[str, Any]], metric: Metric, base: float | None) -> tuple[float, list[str], list[str]]:
    """Central value, numbers that move it (widest first), and numbers that do not visibly."""
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(str(row["label"]), []).append(_number(row, metric.key))
    centre = base if base is not None else _middle(values)
    size = {name: max(abs(value - centre) for value in found) for name, found in values.items()}
    least = max(max(size.values(), default=0.0) * VISIBLE, 1e-12)
    moving = sorted((name for name in size if size[name] > least), key=lambda name: (-size[name], name))
    return centre, moving, [name for name in size if size[name] <= least]


def sensitivity_figure(rows: Sequence[Mapping[str, Any]], metric: Metric, base: float | None, most: int = 14) -> Figure:
    """Tornado: from the central plan to the plan with one number at either end of its range, widest first."""
    centre, moving, _ = swings(rows, metric, base)
    widest = moving[:most]
    picked = [row for title in widest for row in rows if str(row["label"]) == title]
    ends = ((False, "number at the low end", palette.LOW_END), (True, "number at the high end", palette.HIGH_END))
    data = []
    for upper, name, colour in ends:
        side = [row for row in picked if (_number(row, "value") > _number(row, "central")) == upper]
        if side:
            data.append(_bars(side, metric, centre, name, colour))
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


def _bars(rows: Sequence[Mapping[str, Any]], metric: Metric, centre: float, name: str, colour: str) -> dict[str, Any]:
    """Bars from the central plan to each changed one."""
    shown = [_number(row, metric.key) for row in rows]
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": [label(row["label"]) for row in rows],
        "x": rounded([(value - centre) / metric.scale for value in shown]),
        "base": float(f"{centre / metric.scale:.6g}"),
        "marker": {"color": colour},
        "customdata": [[label(changed_value(row)), metric.form(value)] for row, value in zip(rows, shown, strict=True)],
        "hovertemplate": f"%{{y}}<br>at %{{customdata[0]}}<br>{metric.name}: %{{customdata[1]}}<extra></extra>",
    }


def _number(row: Mapping[str, Any], key: str) -> float:
    return float(text.as_number(row.get(key)) or 0.0)


def _middle(values: Mapping[str, Sequence[float]]) -> float:
    flat = sorted(value for found in values.values() for value in found)
    return flat[len(flat) // 2] if flat else 0.0
