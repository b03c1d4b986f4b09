"""Figures of one branch of the tree of futures: stock, purchases, use, tokens and money, month by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chipwise.report import palette, text
from chipwise.report.figures import Figure, axis, base_layout, label, rounded

Colours = Mapping[str, tuple[str, str]]

STOCK, TRAINING, SERVING = "stock", "training", "serving"


def chips_of(branch: Mapping[str, Any], kind: str) -> list[str]:
    """Chips that have a series of this kind on the branch, by name."""
    prefix = f"{kind}:"
    return sorted(name[len(prefix) :] for name in branch["series"] if name.startswith(prefix))


def first_days(branch: Mapping[str, Any]) -> list[str]:
    """First day of every month, so that bars are as wide as a month."""
    return [f"{str(month)[:7]}-01" for month in branch["months"]]


def _area(branch: Mapping[str, Any], kind: str, chip: str, colours: Colours, **more: Any) -> dict[str, Any]:
    colour, pattern = colours[chip]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "name": label(chip),
        "legendgroup": label(chip),
        "x": list(branch["months"]),
        "y": rounded(branch["series"][f"{kind}:{chip}"]),
        "stackgroup": kind,
        "line": {"width": 0.8, "color": colour},
        "fillcolor": colour,
        "hovertemplate": "%{y:,.0f}",
    }
    if pattern:
        trace["fillpattern"] = {"shape": pattern, "solidity": 0.4}
    return {**trace, **more}


def stock_figure(branch: Mapping[str, Any], colours: Colours) -> Figure:
    """Chips in hand, held, bought and rented, stacked by chip."""
    data = [_area(branch, STOCK, chip, colours) for chip in chips_of(branch, STOCK)]
    return {"data": data, "layout": _time_layout("chips in hand")}


def purchases_figure(branch: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], colours: Colours) -> Figure:
    """Chips ordered in each month, stacked by chip; `lines` are the purchases on this branch."""
    bought: dict[str, dict[str, float]] = {}
    for line in lines:
        if line.get("chip"):
            months = bought.setdefault(str(line["chip"]), {})
            month = str(line["when"])[:7]
            months[month] = months.get(month, 0.0) + float(line.get("count") or 0.0)
    data = []
    for chip in sorted(bought):
        colour, pattern = colours[chip]
        marker: dict[str, Any] = {"color": colour}
        if pattern:
            marker["pattern"] = {"shape": pattern}
        data.append(
            {
                "type": "bar",
                "name": label(chip),
                "x": first_days(branch),
                "y": rounded([bought[chip].get(str(month)[:7], 0.0) for month in branch["months"]]),
                "marker": marker,
                "hovertemplate": "%{y:,.0f}",
            }
        )
    layout = _time_layout("chips ordered in the month")
    layout["barmode"] = "stack"
    return {"data": data, "layout": layout}


def use_figure(branch: Mapping[str, Any], colours: Colours) -> Figure:
    """What the chips do: training above, serving below, stacked by chip, on one scale."""
    trained, served = chips_of(branch, TRAINING), chips_of(branch, SERVING)
    data = [_area(branch, TRAINING, chip, colours, yaxis="y") for chip in trained]
    data += [
        _area(branch, SERVING, chip, colours, yaxis="y2", xaxis="x", showlegend=chip not in trained) for chip in served
    ]
    top = max(_peak(branch, TRAINING), _peak(branch, SERVING), 1.0) * 1.05
    layout = _two_panels("training, chips", "serving, chips")
    for name in ("yaxis", "yaxis2"):
        layout[name]["range"] = [0, top]
    return {"data": data, "layout": layout}


def _peak(branch: Mapping[str, Any], kind: str) -> float:
    rows = [branch["series"][f"{kind}:{chip}"] for chip in chips_of(branch, kind)]
    return max((sum(column) for column in zip(*rows, strict=True)), default=0.0)


def tokens_figure(branch: Mapping[str, Any]) -> Figure:
    """Tokens wanted, served, and of these bought from a provider, each day, on a logarithmic scale."""
    wanted = branch["series"].get("tokens_wanted_per_day", [])
    served = branch["series"].get("tokens_served_per_day", [])
    bought = branch["series"].get("tokens_bought_per_day", [])
    data = []
    for name, values, colour, dash in (
        ("served", served, palette.SERVED, "solid"),
        ("bought from a provider", bought, palette.CASH, "dot"),
        ("wanted", wanted, palette.WANTED, "dash"),
    ):
        if any(float(value) > 0.0 for value in values):
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": f"tokens {name}",
                    "x": list(branch["months"]),
                    "y": [value if value else None for value in rounded(values)],
                    "line": {"color": colour, "dash": dash, "width": 2.5},
                    "customdata": [text.tokens_per_day(value) for value in values],
                    "hovertemplate": "%{customdata} a day",
                }
            )
    layout = _time_layout("tokens a day")
    layout["yaxis"].update(type="log", exponentformat="B", dtick="D2")
    layout["yaxis"].pop("rangemode")
    return {"data": data, "layout": layout}


def money_figure(branch: Mapping[str, Any]) -> Figure:
    """Cash and debt above, spending on chips, rent and tokens below; USD m."""
    series = branch["series"]
    months = list(branch["months"])
    data: list[dict[str, Any]] = []
    for name, key, colour, dash in (
        ("cash", "cash_usd", palette.CASH, "solid"),
        ("owed", "owed_usd", palette.DEBT, "dash"),
    ):
        values = series.get(key, [])
        if any(values):
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": name,
                    "x": months,
                    "y": rounded([value / 1e6 for value in values]),
                    "line": {"color": colour, "dash": dash, "width": 2.5},
                    "hovertemplate": "USD %{y:,.4~g} m",
                }
            )
    spent = series.get("spent_usd", [])
    data.append(
        {
            "type": "bar",
            "name": "spent",
            "x": first_days(branch),
            "y": rounded([value / 1e6 for value in spent]),
            "yaxis": "y2",
            "marker": {"color": palette.SPENT},
            "hovertemplate": "USD %{y:,.4~g} m",
        }
    )
    return {
        "data": data,
        "layout": _two_panels("cash and debt, USD m", "spent in the month on chips, rent and tokens, USD m"),
    }


def _two_panels(above: str, below: str) -> dict[str, Any]:
    """Two panels over the same months, each with its name and unit above it."""
    layout = _time_layout("")
    layout["yaxis"].update(domain=[0.56, 0.95])
    layout["yaxis2"] = axis(domain=[0.0, 0.39], anchor="x", rangemode="tozero", separatethousands=True)
    layout["xaxis"]["anchor"] = "y2"
    layout["height"] = 430
    layout["annotations"] = [
        {"text": name, "x": 0, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom",
         "showarrow": False}
        for name, y in ((above, 0.96), (below, 0.40))
    ]  # fmt: skip
    return layout


def _time_layout(unit: str) -> dict[str, Any]:
    return base_layout(
        xaxis=axis(type="date", hoverformat="%b %Y"),
        yaxis=axis(unit, rangemode="tozero", separatethousands=True),
        hovermode="x unified",
        height=340,
    )
