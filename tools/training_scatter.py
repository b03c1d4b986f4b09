"""A picture of predicted against measured step times, one colour a level of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np

COLOURS = {"measured chip": "#1f4e79", "family": "#c55a11", "data sheet": "#7f7f7f"}
SIZE, LEFT, TOP = 560.0, 70.0, 40.0
MOST = 60
"""Points of one source that are drawn, evenly spaced over its rows; every source is there."""


def scatter(points: Mapping[str, Sequence[tuple[str, float, float]]], *, title: str) -> str:
    """SVG of predicted (up) against measured (right) seconds, logarithmic, with lines at 1, 1.3 and 1/1.3.

    Parameters
    ----------
    points : mapping of level to (source, measured s, predicted s)
    """
    every = np.array([pair[1:] for level in points.values() for pair in level])
    low, high = np.floor(np.log10(every.min())), np.ceil(np.log10(every.max()))
    scale = SIZE / (high - low)

    def at(measured: float, predicted: float) -> tuple[float, float]:
        return LEFT + (np.log10(measured) - low) * scale, TOP + SIZE - (np.log10(predicted) - low) * scale

    width, height = LEFT + SIZE + 20, TOP + SIZE + 90
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{escape(title)}</title>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="16" font-weight="600">{escape(title)}</text>',
        f'<clipPath id="frame"><rect x="{LEFT}" y="{TOP}" width="{SIZE}" height="{SIZE}"/></clipPath>',
        f'<rect x="{LEFT}" y="{TOP}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#999"/>',
    ]
    for power in range(int(low), int(high) + 1):
        x, y = at(10.0**power, 10.0**power)
        out.append(f'<path d="M{x:.1f} {TOP}V{TOP + SIZE}M{LEFT} {y:.1f}H{LEFT + SIZE}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{TOP + SIZE + 18}" text-anchor="middle">{10.0**power:g}</text>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for ratio, dash in ((1.0, ""), (1.3, "4 4"), (1 / 1.3, "4 4")):
        (x1, y1), (x2, y2) = at(10.0**low, ratio * 10.0**low), at(10.0**high, ratio * 10.0**high)
        out.append(
            f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#555" stroke-dasharray="{dash}" '
            f'clip-path="url(#frame)"/>'
        )
    for number, (level, pairs) in reversed(list(enumerate(points.items()))):
        colour = COLOURS[level]
        for source, measured, predicted in pairs:
            x, y = at(measured, predicted)
            out.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}" fill-opacity="0.6">'
                f"<title>{escape(source)}: {measured:.3g} s measured, {predicted:.3g} s predicted</title></circle>"
            )
        x, y = LEFT + number * 205, TOP + SIZE + 66
        out.append(f'<circle cx="{x + 5:.1f}" cy="{y - 4:.1f}" r="5" fill="{colour}"/>')
        out.append(f'<text x="{x + 16:.1f}" y="{y:.1f}">{escape(level)}: {len(pairs):,} drawn</text>')
    out.append(f'<text x="{LEFT + SIZE / 2}" y="{TOP + SIZE + 40}" text-anchor="middle">measured step, s</text>')
    middle = TOP + SIZE / 2
    out.append(
        f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">predicted step, s</text>'
    )
    return "\n".join([*out, "</svg>", ""])


def thinned(places: np.ndarray) -> np.ndarray:
    """At most `MOST` of the rows of a source, evenly spaced."""
    return places[:: max(1, -(-len(places) // MOST))]
