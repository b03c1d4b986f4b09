"""Points that cannot be true are listed, not scored; what a benchmark documents is read."""

from __future__ import annotations

import pytest

from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.perf.infer.reading import ServingCase, read_serving_case
from chipwise.perf.infer.screen import DOUBTFUL, UNRECORDED, screen


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def point(name: str, **changed: object) -> dict[str, str]:
    """A closed loop that can be true."""
    row = {
        "id": name,
        "source_id": "s",
        "chip_id": "h200-sxm",
        "engine": "vLLM",
        "engine_version": "1",
        "date": "2025-10-01",
        "model": "Llama-3.1-70B",
        "weight_quant": "fp8",
        "chips": "2",
        "tp": "2",
        "isl": "1000",
        "osl": "1000",
        "load_type": "closed_loop_concurrency",
        "concurrency": "32",
        "ttft_mean_ms": "400",
        "tpot_mean_ms": "18",
    }
    return row | {key: str(value) for key, value in changed.items()}


def test_a_true_point_stays(catalogue: Catalogue) -> None:
    assert screen([point("a")], catalogue) == {}


def test_more_arithmetic_than_the_peak_is_impossible(catalogue: Catalogue) -> None:
    found = screen([point("a", isl=15000, osl=500, concurrency=400, ttft_mean_ms=700, tpot_mean_ms=13)], catalogue)
    assert found["a"] == "more arithmetic than the chip's peak"


def test_prompts_faster_than_any_kernel_are_impossible(catalogue: Catalogue) -> None:
    # 32 requests of 4,100 tokens in 5 s on two chips: 0.92 of the peak of 2 x 1,979 TFLOP/s
    row = point("a", isl=4000, osl=100, concurrency=32, ttft_mean_ms=400, tpot_mean_ms=46.5)
    assert screen([row], catalogue)["a"] == "prompts faster than the fastest kernels measured"


def test_more_cache_than_memory_is_impossible(catalogue: Catalogue) -> None:
    row = point("a", isl=30000, osl=3000, concurrency=512, ttft_mean_ms=1000, tpot_mean_ms=1200)
    assert screen([row], catalogue)["a"] == "more cache than memory"


def test_a_table_that_mostly_fails_is_doubtful_as_a_whole(catalogue: Catalogue) -> None:
    broken = [
        point(f"b{n}", isl=15000 + n, osl=500, concurrency=400, ttft_mean_ms=700, tpot_mean_ms=13) for n in range(3)
    ]
    good = [point("g1"), point("g2", isl=2000)]
    assert screen([*broken, *good], catalogue)["g1"] == DOUBTFUL
    assert "g1" not in screen([broken[0], *good], catalogue)
    other = point("o", source_id="t")
    assert "o" not in screen([*broken, *good, other], catalogue)


def test_a_first_token_that_wanders_counts_towards_a_table_only(catalogue: Catalogue) -> None:
    rows = [point("a", concurrency=8, ttft_mean_ms=900), point("b", concurrency=16, ttft_mean_ms=300), point("c", tp=1)]
    rows += [point("d", isl=3000), point("e", isl=2500)]
    assert screen(rows, catalogue) == {}
    assert screen(rows[:2], catalogue) == {"a": DOUBTFUL, "b": DOUBTFUL}


def test_a_later_run_much_faster_is_unrecorded_only_where_the_model_can_speculate(catalogue: Catalogue) -> None:
    def runs(model: str) -> list[dict[str, str]]:
        same = {"model": model, "chips": 8, "tp": 8}
        first = [point(f"o{c}", **same, concurrency=c, tpot_mean_ms=20 + c) for c in (4, 8, 16)]
        later = [
            point(f"n{c}", **same, concurrency=c, tpot_mean_ms=(20 + c) / 1.6, date="2026-02-01", engine_version="2")
            for c in (4, 8)
        ]
        return first + later

    found = screen(runs("DeepSeek-R1"), catalogue)
    assert found == {"n4": UNRECORDED, "n8": UNRECORDED}
    assert screen(runs("Llama-3.1-70B"), catalogue) == {}


def test_documented_requests_lengths_and_age(catalogue: Catalogue) -> None:
    table = point("a", source_id="trtllm-perf-overview-v1.0", load_type="max_load_inflight_batching", osl=2000)
    case = read_serving_case(table, catalogue)
    assert isinstance(case, ServingCase)
    assert case.requests == 1500
    assert case.years == 0.0
    nightly = read_serving_case(point("b", kind="inferencex"), catalogue)
    assert isinstance(nightly, ServingCase)
    assert nightly.input_tokens == pytest.approx(900.0)
    round_ = point("c", kind="mlperf_offline", load_type="offline_all_at_once", model="llama2-70b-99", isl="", osl="")
    old = read_serving_case(round_ | {"date": "2024-08-28"}, catalogue)
    new = read_serving_case(round_ | {"date": "2025-08-28"}, catalogue)
    assert isinstance(old, ServingCase)
    assert isinstance(new, ServingCase)
    assert new.years - old.years == pytest.approx(1.0)


def test_blank_cache_on_blackwell_is_narrow(catalogue: Catalogue) -> None:
    case = read_serving_case(point("a", chip_id="b200-sxm"), catalogue)
    assert isinstance(case, ServingCase)
    assert case.setups[0].kv_precision == "fp8"
    assert "recipes for Blackwell" in case.notes
