"""Rows that cannot be true, by general rules."""

import pytest

from chipwise.perf.infer.audit import audit, chips_of

GOOD = {
    "id": "a",
    "source_id": "s",
    "chip_id": "h100-sxm",
    "load_type": "closed_loop_concurrency",
    "concurrency": "16",
    "isl": "500",
    "osl": "200",
    "requests_per_s": "4.0",
    "ttft_mean_ms": "100",
    "tpot_mean_ms": "19.6",
}


def test_a_sound_row_passes() -> None:
    assert audit([GOOD]) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"requests_per_s": "40"}, "Little's law"),
        ({"tp": "28"}, "tensor group"),
        ({"notes": "speculative decoding"}, "speculative"),
    ],
)
def test_an_impossible_row_is_dropped_with_its_reason(change: dict[str, str], reason: str) -> None:
    assert reason in audit([{**GOOD, **change}])["a"]


def test_the_same_figures_count_once() -> None:
    assert audit([GOOD, {**GOOD, "id": "b"}]) == {"b": "the same figures as a"}


def test_times_that_fall_with_load_are_no_steady_state() -> None:
    more = {**GOOD, "id": "b", "concurrency": "64", "tpot_mean_ms": "9", "requests_per_s": "34"}
    assert set(audit([GOOD, more])) == {"a", "b"}


def test_chips_counted_as_a_square_are_counted_right() -> None:
    assert chips_of({"chips": "64", "ep": "8", "tp": "64"}) == (8.0, True)
    assert chips_of({"chips": "8", "ep": "8", "tp": "8"}) == (8.0, False)
