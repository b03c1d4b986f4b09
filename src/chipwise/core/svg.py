"""A few SVG elements as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

INK = "#202124"
FAINT = "#5f6368"
MARKS = ("circle", "square", "diamond", "triangle")


def document(width: float, height: float, parts: Iterable[str], title: str) -> str:
    """A whole picture with a title for readers that cannot see it."""
    body = "\n".join(parts)
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, weight: str = "normal") -> str:
    """Words at a place."""
    style = f'font-family="sans-serif" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style} fill="{INK}">{escape(words)}</text>'


def upright(x: float, y: float, words: str, *, size: int = 12) -> str:
    """Words turned to read upwards, centred at a place."""
    return f'<g transform="rotate(-90 {x:g} {y:g})">{text(x, y, words, anchor="middle", size=size)}</g>'


def box(x: float, y: float, width: float, height: float, fill: str, stroke: str = "none") -> str:
    """A rectangle."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{fill}" stroke="{stroke}"/>'


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = FAINT, dash: str = "3 3") -> str:
    """A line, dashed unless `dash` is empty."""
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line {place} stroke="{colour}"{dashes}/>'


def dot(x: float, y: float, title: str, fill: str, dashed: bool, *, stroke: str = "#1a4e8a") -> str:
    """A point with words shown on hover."""
    dash = ' stroke-dasharray="2 2"' if dashed else ""
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{stroke}"{dash}>'
    return f"{ring}<title>{escape(title)}</title></circle>"


def mark(x: float, y: float, shape: str, title: str, colour: str, *, hollow: bool = False) -> str:
    """A mark of one of `MARKS`, filled or hollow, with words shown on hover."""
    style = f'fill="{"#ffffff" if hollow else colour}" stroke="{colour}" stroke-width="1.5"'
    words = f"<title>{escape(title)}</title>"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {style}>{words}</circle>'
    corners = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        "diamond": ((0, -6), (6, 0), (0, 6), (-6, 0)),
        "triangle": ((0, -5.5), (5.5, 4.5), (-5.5, 4.5)),
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {style}>{words}</polygon>'


def round_steps(most: float, count: int = 5) -> tuple[float, ...]:
    """About `count` round numbers from 0 to at least `most`, for an axis.

    Examples
    --------
    >>> round_steps(9.3)
    (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    """
    raw = max(most, 1e-12) / count
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(size * scale for size in (1.0, 2.0, 2.5, 5.0, 10.0) if size * scale >= raw * (1.0 - 1e-9))
    return tuple(step * index for index in range(math.ceil(most / step - 1e-9) + 1))


def powers(low: float, high: float) -> tuple[float, ...]:
    """The powers of ten with their halves and fifths that a log axis from `low` to `high` shows."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return tuple(
        value for power in exponents for digit in (1.0, 2.0, 5.0) if low <= (value := digit * 10.0**power) <= high
    )


def free_of(place: tuple[float, float, float], taken: Sequence[tuple[float, float, float]], gap: float) -> bool:
    """Whether a label (start, end, height) covers none of those already placed, lines `gap` apart."""
    start, end, y = place
    return all(abs(y - other) >= gap or start > stop or end < begin for begin, stop, other in taken)
