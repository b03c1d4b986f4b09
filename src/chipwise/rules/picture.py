"""Pictures of the law as SVG text: a chip through time, and the map of compute against compute density."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from chipwise.core import svg
from chipwise.rules.law import Law
from chipwise.rules.layers.classify import entry_at
from chipwise.rules.timeline import Stretch

_FREE, _EXCEPTION, _OPEN, _LICENCE = "#4c956c", "#f2c14e", "#9aa0a6", "#c8553d"
COLOURS = {
    "NLR": _FREE,
    "licence_free_named_party": _FREE,
    "exception_with_notification": _EXCEPTION,
    "exception_no_notification": _EXCEPTION,
    "needs_counsel": _OPEN,
    "licence_required": _LICENCE,
    "prohibited_GP10_risk": _LICENCE,
}
"""Colour of an outcome; the words always stand beside it."""
REGIONS = {"none": "#eef4f0", "b": "#f8e3a8", "a": "#eab5a9", "ic_2022": "#eab5a9"}
NOTE = "Not legal advice. Free answers are conditional on party screening."


class Point(NamedTuple):
    """A chip on the map."""

    name: str
    tpp: float
    density: float
    data_center: bool | None


def timeline_svg(stretches: Sequence[Stretch], title: str, last: dt.date) -> str:
    """One bar of outcomes through time, with the day and the words of each stretch below it.

    Parameters
    ----------
    last : datetime.date
        Day at which the last stretch is cut off in the drawing.
    """
    left, bar, first = 20.0, 900.0, stretches[0].first
    days = max((last - first).days, 1)
    parts = [svg.text(left, 26, title, size=16, weight="bold")]
    for index, stretch in enumerate(stretches, start=1):
        colour, y = COLOURS[stretch.answer.outcome], 72 + 20 * index
        start = left + bar * (stretch.first - first).days / days
        end = left + bar * (min(stretch.until or last, last) - first).days / days
        parts.append(svg.box(start, 44, max(end - start, 1.0), 26, colour, "#ffffff"))
        parts.append(svg.text(start + 2, 61, str(index), size=11))
        parts.append(svg.box(left, y - 10, 12, 12, colour))
        parts.append(svg.text(left + 20, y, f"{index}. {_stretch_text(stretch)}"))
    height = 72 + 20 * len(stretches)
    parts.append(svg.text(left, height + 26, NOTE, size=11))
    return svg.document(960, height + 40, parts, title)


def _stretch_text(stretch: Stretch) -> str:
    answer = stretch.answer
    until = f"to before {stretch.until.isoformat()}" if stretch.until else "on"
    policy = "" if answer.review_policy == "not_applicable" else f", {answer.review_policy}"
    return f"from {stretch.first.isoformat()} {until}: {answer.outcome} ({answer.classification}{policy})"


_LEFT, _TOP, _WIDE, _HIGH = 70.0, 60.0, 1000.0, 620.0
_TPP, _DENSITY = (100.0, 200_000.0), (0.5, 60.0)


def _x(tpp: float) -> float:
    return _LEFT + _WIDE * _share(tpp, _TPP)


def _y(density: float) -> float:
    return _TOP + _HIGH * (1.0 - _share(density, _DENSITY))


def _share(value: float, span: tuple[float, float]) -> float:
    """Place of a value on a log axis, 0 to 1."""
    return (math.log10(value) - math.log10(span[0])) / (math.log10(span[1]) - math.log10(span[0]))


def map_svg(law: Law, points: Sequence[Point], day: dt.date) -> str:
    """The plane of TPP against density on log axes: regions of the law that day, chips as points.

    Notes
    -----
    The regions are read from the same tests that classify a chip, for an item designed for data centers. Under the
    2022 text the second test is the transfer rate, which this plane does not show: there the region is TPP alone.
    """
    title = f"Export-control classes of data-center chips on {day.isoformat()}"
    foot = "Filled: data center. Ring: not for data centers. Dashed ring: design open. " + NOTE
    parts = [svg.text(_LEFT, 28, title, size=16, weight="bold"), *_regions(law), *_axes(), *_legend(), *_dots(points)]
    parts.append(svg.text(_LEFT, _TOP + _HIGH + 60, foot, size=11))
    return svg.document(_LEFT + _WIDE + 60, _TOP + _HIGH + 75, parts, title)


def _cuts(law: Law) -> tuple[list[float], list[float]]:
    """Lines of the class tests on both axes, with the ends of the axes."""
    cuts: dict[str, set[float]] = {"tpp": {*_TPP}, "perf_density": {*_DENSITY}}
    for name in ("class_a", "class_b", "class_2022"):
        for part in itertools.chain.from_iterable(law.tests.get(name, ())):
            if part.measure in cuts:
                cuts[part.measure].add(part.value)
    return sorted(cuts["tpp"]), sorted(cuts["perf_density"])


def _regions(law: Law) -> list[str]:
    """Rectangles between the lines in force, each coloured by the class of its middle."""
    tpp, density = _cuts(law)
    out = []
    for low, high in itertools.pairwise(tpp):
        for bottom, top in itertools.pairwise(density):
            middle = {"tpp": math.sqrt(low * high), "perf_density": math.sqrt(bottom * top)}
            entry = entry_at(law, {**dict.fromkeys(law.class_measures, math.inf), **middle}, True)
            out.append(svg.box(_x(low), _y(top), _x(high) - _x(low), _y(bottom) - _y(top), REGIONS[entry]))
    for value in tpp[1:-1]:
        out.append(svg.line(_x(value), _TOP, _x(value), _TOP + _HIGH))
        out.append(svg.text(_x(value), _TOP - 6, f"{value:g}", anchor="middle", size=10))
    for value in density[1:-1]:
        out.append(svg.line(_LEFT, _y(value), _LEFT + _WIDE, _y(value)))
        out.append(svg.text(_LEFT + _WIDE + 4, _y(value) + 4, f"{value:g}", size=10))
    return out


def _legend() -> list[str]:
    out = []
    for index, (key, words) in enumerate((("a", "3A090.a"), ("b", "3A090.b"), ("none", "below every line"))):
        y = _TOP + 10 + 18 * index
        out += [svg.box(_LEFT + 10, y, 12, 12, REGIONS[key], "#5f6368"), svg.text(_LEFT + 28, y + 10, words, size=11)]
    return out


def _axes() -> list[str]:
    foot, middle = _TOP + _HIGH, _TOP + _HIGH / 2
    out = [svg.box(_LEFT, _TOP, _WIDE, _HIGH, "none", "#202124")]
    out += [svg.text(_x(v), foot + 18, f"{v:g}", anchor="middle") for v in (100.0, 1000.0, 10_000.0, 100_000.0)]
    out += [svg.text(_LEFT - 8, _y(v) + 4, f"{v:g}", anchor="end") for v in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)]
    out.append(svg.text(_LEFT + _WIDE / 2, foot + 38, "Total processing performance (TPP)", anchor="middle"))
    label = svg.text(22, middle, "Performance density (TPP per mm²)", anchor="middle")
    out.append(f'<g transform="rotate(-90 22 {middle:g})">{label}</g>')
    return out


def _dots(points: Sequence[Point]) -> list[str]:
    """Chips as points; chips on one spot share a label, and a label that would cover anything is left out."""
    spots: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        if _TPP[0] <= point.tpp <= _TPP[1] and _DENSITY[0] <= point.density <= _DENSITY[1]:
            spots.setdefault((round(_x(point.tpp) / 3), round(_y(point.density) / 3)), []).append(point)
    drawn = [_dot(point) for group in spots.values() for point in group]
    taken = [(_x(group[0].tpp) - 5, _x(group[0].tpp) + 5, _y(group[0].density)) for group in spots.values()]
    for group in spots.values():
        label = group[0].name + (f" +{len(group) - 1}" if len(group) > 1 else "")
        x, y = _x(group[0].tpp) + 6, _y(group[0].density)
        end = x + 5.2 * len(label)
        if all(abs(y - other) >= 9 or x > stop or end < start for start, stop, other in taken):
            taken.append((x, end, y))
            drawn.append(svg.text(x, y + 3, label, size=9))
    return drawn


def _dot(point: Point) -> str:
    words = f"{point.name}: TPP {point.tpp:g}, density {point.density:.2f}"
    fill = "#1a4e8a" if point.data_center else "#ffffff"
    return svg.dot(_x(point.tpp), _y(point.density), words, fill, point.data_center is None)
