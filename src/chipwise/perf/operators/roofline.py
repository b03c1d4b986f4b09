"""A roofline as SVG: data-sheet roof, predicted points with their intervals, coloured by evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from chipwise.perf.operators.objects import EVIDENCE
from chipwise.perf.operators.sheet import OperatorPoint

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 60, 70
COLOURS: dict[str, str] = {EVIDENCE[0]: "#1b7837", EVIDENCE[1]: "#e08214", EVIDENCE[2]: "#762a83"}
UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"))


def roofline_svg(title: str, peak_flop_per_s: float, bytes_per_s: float, points: Sequence[OperatorPoint]) -> str:
    """An SVG document: FLOP/s against FLOP per byte, both logarithmic.

    Parameters
    ----------
    title : str
    peak_flop_per_s, bytes_per_s : float
        The roof.
    points : sequence of OperatorPoint
        Those without arithmetic are left out.
    """
    drawn = [point for point in points if point.flop > 0.0]
    ridge = peak_flop_per_s / bytes_per_s
    intensities = [point.flop / point.bytes for point in drawn] + [ridge]
    speeds = [point.flop / point.high_s for point in drawn] + [peak_flop_per_s]
    x_low, x_high = math.floor(math.log10(min(intensities))), math.ceil(math.log10(max(intensities) * 1.5))
    y_low, y_high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(peak_flop_per_s * 1.1))

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" font-size="15" font-weight="bold">{escape(title)}</text>',
        *_axes(x, y, (x_low, x_high), (y_low, y_high)),
    ]
    start = max(10.0**x_low, 10.0**y_low / bytes_per_s)
    roof = [(start, start * bytes_per_s), (ridge, peak_flop_per_s), (10.0**x_high, peak_flop_per_s)]
    path = " ".join(f"{x(at):.1f},{y(speed):.1f}" for at, speed in roof)
    parts.append(f'<polyline points="{path}" fill="none" stroke="#333333" stroke-width="2"/>')
    parts.extend(_mark(point, x, y) for point in drawn)
    parts.extend(_legend({_rung(point) for point in drawn}))
    return "\n".join([*parts, "</svg>", ""])


def _axes(x, y, across: tuple[int, int], up: tuple[int, int]) -> list[str]:  # type: ignore[no-untyped-def]
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for power in range(across[0], across[1] + 1):
        at = x(10.0**power)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}" stroke="#dddddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{10.0**power:g}</text>')
    for power in range(up[0], up[1] + 1):
        at = y(10.0**power)
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_speed(10.0**power)}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 24}" text-anchor="middle">FLOP per byte</text>')
    parts.append(
        f'<text x="20" y="{(TOP + bottom) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 20 {(TOP + bottom) / 2})">FLOP/s</text>'
    )
    return parts


def _mark(point: OperatorPoint, x, y) -> str:  # type: ignore[no-untyped-def]
    at = x(point.flop / point.bytes)
    middle, low, high = (y(point.flop / time) for time in (point.time_s, point.high_s, point.low_s))
    colour = COLOURS[_rung(point)]
    dims = ", ".join(f"{name} {value:g}" for name, value in point.dims.items())
    label = f"{point.operator}: {dims}; {point.time_s * 1e6:.3g} us; {point.evidence}"
    return (
        f'<g stroke="{colour}" fill="{colour}"><title>{escape(label)}</title>'
        f'<line x1="{at:.1f}" y1="{low:.1f}" x2="{at:.1f}" y2="{high:.1f}"/>'
        f'<circle cx="{at:.1f}" cy="{middle:.1f}" r="4"/></g>'
    )


def _legend(rungs: set[str]) -> list[str]:
    parts = []
    for place, rung in enumerate(sorted(rungs)):
        at = LEFT + 210 * place
        parts.append(f'<circle cx="{at + 6}" cy="44" r="5" fill="{COLOURS[rung]}"/>')
        parts.append(f'<text x="{at + 18}" y="48">{escape(rung)}</text>')
    return parts


def _rung(point: OperatorPoint) -> str:
    return next(rung for rung in COLOURS if point.evidence.startswith(rung))


def _speed(value: float) -> str:
    for size, letter in UNITS:
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"
