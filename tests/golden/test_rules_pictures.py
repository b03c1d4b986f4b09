"""The two pictures of the law, whole, as they were looked at; run this file to draw them anew after a wanted change."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from chipwise.rules import load_rulebook
from chipwise.rules.objects import Answer
from chipwise.rules.overlay import apply_overlay
from chipwise.rules.picture import Point, map_svg, timeline_svg
from chipwise.rules.timeline import Stretch

FOLDER = Path(__file__).parent / "rules"
ANSWERS = (
    Answer("at_only", "no", "NLR", "not_applicable"),
    Answer("3a090_b", "yes", "exception_with_notification", "not_applicable", "NAC"),
    Answer("3a090_b", "yes", "exception_no_notification", "not_applicable", "ACA"),
    Answer("3a090_a", "yes", "licence_required", "presumption_of_denial"),
    Answer("3a090_a", "undetermined", "needs_counsel", "case_by_case", "", "data_center_design"),
    Answer("prc_3a090_presumed", "undetermined", "prohibited_GP10_risk", "not_applicable"),
    Answer("3a090_a", "no", "licence_free_named_party", "not_applicable"),
)
DAYS = tuple(dt.date(2022 + index, 1 + index, 3 + 4 * index) for index in range(len(ANSWERS)))
POINTS = (
    Point("at the left edge", 100.0, 0.5, True),
    Point("at the right edge", 200_000.0, 60.0, False),
    Point("left of the plane", 99.0, 3.0, True),
    Point("right of the plane", 200_001.0, 3.0, True),
    Point("below the plane", 3000.0, 0.49, True),
    Point("above the plane", 3000.0, 60.5, True),
    Point("alone", 1600.0, 9.0, None),
    Point("one of two", 5000.0, 5.0, True),
    Point("two of two", 5004.0, 5.002, True),
    Point("beside them", 5600.0, 5.1, False),
    Point("under them", 5050.0, 4.75, False),
    Point("far under them", 5050.0, 4.55, False),
    Point("far beside them", 14_000.0, 5.0, True),
    Point("behind a label", 15_500.0, 5.0, True),
)
LINES = {
    "a_tpp": 4800,
    "a_density_tpp": 1600,
    "a_density": 5.92,
    "b_tpp": 2400,
    "b_tpp_density": 1.6,
    "b_density_tpp": 1600,
    "b_density": 3.2,
}


def stretches(days):
    untils = (*days[1:], None)
    return tuple(
        Stretch(first=first, until=until, answer=answer)
        for first, until, answer in zip(days, untils, ANSWERS, strict=False)
    )


def pictures():
    """Name to drawing; lines and points are stated here, so that no change of a table moves them."""
    values = {name: {dt.date(2023, 11, 17): value} for name, value in LINES.items()}
    book = apply_overlay(load_rulebook(), {"parameters": values}, "stated")
    day = dt.date(2024, 1, 1)
    return {
        "timeline.svg": timeline_svg(stretches(DAYS), "A chip & its <answers>", dt.date(2028, 12, 31)),
        "timeline-cut.svg": timeline_svg(stretches(DAYS), "Cut before its last stretch", DAYS[-1]),
        "timeline-one-day.svg": timeline_svg(stretches(DAYS[:1]), "One day", DAYS[0]),
        "timeline-two-days.svg": timeline_svg(stretches(DAYS[:1]), "Two days", DAYS[0] + dt.timedelta(days=2)),
        "map.svg": map_svg(book.law(day), POINTS, day),
    }


@pytest.mark.parametrize(
    "name", ["timeline.svg", "timeline-cut.svg", "timeline-one-day.svg", "timeline-two-days.svg", "map.svg"]
)
def test_a_picture_is_drawn_as_it_was(name):
    assert pictures()[name] == (FOLDER / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    for name, text in pictures().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
