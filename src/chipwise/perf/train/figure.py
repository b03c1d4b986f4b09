"""Stacked bars of a step's time and of a chip's memory as one SVG picture."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

COLOURS = ("#1f4e79", "#2e75b6", "#9dc3e6", "#548235", "#a9d18e", "#7f6000", "#c55a11", "#f4b183", "#7030a0", "#808080")
WIDTH, BAR, LEFT, ROW = 860.0, 34.0, 20.0, 19.0
SMALLEST = 0.004
"""Shares below this are drawn but not named."""


def stacked_bars(bars: Mapping[str, tuple[Mapping[str, float], str, float]], *, title: str) -> str:
    """One horizontal bar a quantity, its parts side by side, named below with their share.

    Parameters
    ----------
    bars : mapping of name to (parts, unit, limit)
        Parts in `unit`; `limit` draws a mark (0 for none).
    title : str
    """
    drawn, top = [], 44.0
    for name, (parts, unit, limit) in bars.items():
        lines, top = _bar(name, {key: max(float(value), 0.0) for key, value in parts.items()}, unit, limit, top)
        drawn += lines
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {top:.0f}" role="img" '
        f'font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH:.0f}" height="{top:.0f}" fill="white"/>',
        f'<text x="{LEFT}" y="26" font-size="16" font-weight="600">{escape(title)}</text>',
    ]
    return "\n".join([*head, *drawn, "</svg>", ""])


def _bar(name: str, parts: dict[str, float], unit: str, limit: float, top: float) -> tuple[list[str], float]:
    total = sum(parts.values())
    scale = (WIDTH - 2 * LEFT) / max(total, limit, 1e-12)
    out = [f'<text x="{LEFT}" y="{top + 14:.1f}">{escape(f"{name}: {total:,.3g} {unit}")}</text>']
    x, top = LEFT, top + 22
    named = []
    for number, (part, value) in enumerate(sorted(parts.items(), key=lambda entry: -entry[1])):
        colour = COLOURS[number % len(COLOURS)]
        words = f"{part} {value:,.3g} {unit} ({value / total:.0%})" if total else part
        out.append(
            f'<rect x="{x:.2f}" y="{top:.1f}" width="{value * scale:.2f}" height="{BAR:.0f}" fill="{colour}" '
            f'stroke="white" stroke-width="0.5"><title>{escape(words)}</title></rect>'
        )
        x += value * scale
        if total and value / total >= SMALLEST:
            named.append((colour, words))
    if limit:
        at = LEFT + limit * scale
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top - 5:.1f}" y2="{top + BAR + 5:.1f}" stroke="#c00000"/>')
        named.append(("#c00000", f"limit {limit:,.3g} {unit}"))
    top += BAR + 10
    for place, (colour, words) in enumerate(named):
        column, row = place % 3, place // 3
        x, y = LEFT + column * (WIDTH - 2 * LEFT) / 3, top + row * ROW
        out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="11" height="11" fill="{colour}"/>')
        out.append(f'<text x="{x + 16:.1f}" y="{y + 10:.1f}" font-size="12">{escape(words)}</text>')
    return out, top + ROW * (-(-len(named) // 3)) + 16
