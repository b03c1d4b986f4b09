"""Pictures of a trace and of a simulated run as SVG text: small panels of lines over a shared frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chipwise.core import svg
from chipwise.report.palette import SERIES

_LEFT, _TOP, _WIDE, _HIGH, _GAP = 84.0, 64.0, 360.0, 190.0, 76.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One frame: lines by name, each (x, y) pairs.

    Parameters
    ----------
    logarithmic : bool
        x on a logarithmic axis; points at or below zero are left out.
    """

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    logarithmic: bool = False


def trace_svg(trace: Any, title: str) -> str:
    """Arrivals through time, lengths, gaps between arrivals and bursts of a trace."""
    import numpy as np

    at = trace.arrival_s - trace.arrival_s[0] if len(trace) else np.zeros(0)
    width = max(float(at[-1]) / 120.0, 1e-9) if len(at) > 1 else 1.0
    counts = np.bincount(np.minimum((at / width).astype(int), 119), minlength=120) if len(at) else np.zeros(120)
    minutes = max(float(at[-1]) / 60.0, 1e-9) if len(at) > 1 else 1.0
    centres = (np.arange(120) + 0.5) * minutes / 120.0
    gaps = np.diff(at)
    gaps = gaps[gaps > 0]
    panels = [
        Panel(
            title="Arrivals",
            x_label="minute",
            y_label="requests/s",
            lines={"": list(zip(centres.tolist(), (counts / width).tolist(), strict=True))},
        ),
        Panel(
            title="Tokens of a request",
            x_label="tokens",
            y_label="share at most so long",
            lines={"input": cumulative(trace.input_tokens), "output": cumulative(trace.output_tokens)},
            logarithmic=True,
        ),
        Panel(
            title="Gaps between arrivals",
            x_label="s",
            y_label="share at most so long",
            lines={
                "recorded": cumulative(gaps),
                "Poisson at the same rate": _exponential(float(gaps.mean())) if len(gaps) else [],
            },
            logarithmic=True,
        ),
        Panel(
            title="Burstiness by length of window (1: Poisson)",
            x_label="window, s",
            y_label="variance over mean of counts",
            lines={"": dispersion(at)},
            logarithmic=True,
        ),
    ]
    return panels_svg(panels, title)


def simulation_svg(result: Any, title: str) -> str:
    """Queue, batch, cache and tokens through time, and the spread of the three times, of a `SimulationResult`."""
    panels = []
    if result.timeline:
        time = [second / 60.0 for second in result.timeline["time_s"]]

        def through(name: str) -> list[tuple[float, float]]:
            return list(zip(time, result.timeline[name], strict=True))

        panels += [
            Panel(
                title="Requests",
                x_label="minute",
                y_label="requests",
                lines={"running": through("running"), "waiting": through("waiting")},
            ),
            Panel(
                title="Use",
                x_label="minute",
                y_label="share",
                lines={"cache in use": through("kv_share"), "busy": through("busy_share")},
            ),
            Panel(
                title="Tokens computed",
                x_label="minute",
                y_label="tokens/s, prompts included",
                lines={"": through("tokens_per_s")},
            ),
        ]
    lines = {
        "first token": cumulative(result.ttft_s),
        "per output token": cumulative(result.tpot_s),
        "whole answer": cumulative(result.latency_s),
    }
    panels.append(
        Panel(title="Times", x_label="s", y_label="share of requests at most so long", lines=lines, logarithmic=True)
    )
    return panels_svg(panels, title)


def cumulative(values: Any, points: int = 200) -> list[tuple[float, float]]:
    """(value, share at most so large) at evenly spaced shares; of finite values."""
    import numpy as np

    found = np.asarray(values, float)
    found = found[np.isfinite(found)]
    if not len(found):
        return []
    shares = np.linspace(0.0, 1.0, points)
    return list(zip(np.quantile(found, shares).tolist(), shares.tolist(), strict=True))


def dispersion(arrival_s: Any) -> list[tuple[float, float]]:
    """(window, variance over mean of the counts in windows of that length), windows doubling, at least ten of them."""
    import numpy as np

    out = []
    window = 0.5
    while len(arrival_s) and arrival_s[-1] / window >= 10:
        counts = np.bincount((arrival_s[arrival_s < arrival_s[-1] // window * window] / window).astype(int))
        out.append((window, float(counts.var() / counts.mean())))
        window *= 2.0
    return out


def _exponential(mean: float, points: int = 200) -> list[tuple[float, float]]:
    shares = [k / points for k in range(1, points)]
    return [(-mean * math.log1p(-share), share) for share in shares]


def panels_svg(panels: Sequence[Panel], title: str) -> str:
    """Panels two abreast under one title."""
    parts = [svg.text(20, 30, title, size=16, weight="bold")]
    for place, panel in enumerate(panels):
        x = _LEFT + (place % 2) * (_WIDE + _LEFT + 16.0)
        y = _TOP + (place // 2) * (_HIGH + _GAP)
        parts += _panel(panel, x, y)
    rows = (len(panels) + 1) // 2
    return svg.document(2 * (_LEFT + _WIDE) + 56.0, _TOP + rows * (_HIGH + _GAP), parts, title)


def _panel(panel: Panel, left: float, top: float) -> list[str]:
    lines = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y) and (x > 0 or not panel.logarithmic)]
        for name, points in panel.lines.items()
    }
    every = [point for points in lines.values() for point in points]
    parts = [
        svg.text(left, top - 10, panel.title, weight="bold"),
        svg.text(left + _WIDE / 2, top + _HIGH + 32, panel.x_label, anchor="middle", size=11),
        svg.upright(left - 58, top + _HIGH / 2, panel.y_label, size=11),
    ]
    if not every:
        return [*parts, svg.text(left + _WIDE / 2, top + _HIGH / 2, "nothing to show", anchor="middle")]
    steps = svg.round_steps(max(max(y for _, y in every), 1e-9), 4)
    low, high = min(x for x, _ in every), max(x for x, _ in every)
    marks: Sequence[float]
    if panel.logarithmic:
        low, high = low * 0.999, max(high, low * 1.5)
        marks = [mark for mark in svg.powers(low, high) if f"{mark:e}"[0] == "1"] or [low, high]
        span = math.log(high / low)
    else:
        low, marks = min(low, 0.0), [mark for mark in svg.round_steps(high) if mark <= high * 1.001]
        span = max(high - low, 1e-12)

    def across(x: float) -> float:
        return left + _WIDE * (math.log(x / low) if panel.logarithmic else x - low) / span

    def down(y: float) -> float:
        return top + _HIGH * (1.0 - y / steps[-1])

    for step in steps:
        parts.append(svg.line(left, down(step), left + _WIDE, down(step), colour="#dadce0", dash=""))
        parts.append(svg.text(left - 6, down(step) + 4, f"{step:,.10g}", anchor="end", size=10))
    for mark in marks:
        parts.append(svg.line(across(mark), top, across(mark), top + _HIGH, colour="#dadce0"))
        parts.append(svg.text(across(mark), top + _HIGH + 16, f"{mark:,.6g}", anchor="middle", size=10))
    for place, (name, points) in enumerate(lines.items()):
        colour = SERIES[place % len(SERIES)]
        corners = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if name:
            parts.append(svg.box(left + 8, top + 6 + 16 * place, 10, 10, colour))
            parts.append(svg.text(left + 23, top + 15 + 16 * place, name, size=10))
    return parts
