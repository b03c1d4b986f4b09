"""What must hold of every operator on every chip: bounds, monotonicity, continuity, units."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.objects import Chip
from chipwise.core.errors import Undetermined
from chipwise.perf.calibration import Measurement
from chipwise.perf.operators import (
    OperatorProfile,
    OperatorTime,
    attention_decode,
    attention_mixed,
    attention_prefill,
    gemm,
    kv_copy,
    linear_decode,
    linear_prefill,
    mla_decode,
    mla_prefill,
    moe,
    norm,
    operator_profile,
    optimizer_step,
    quantise,
)

CATALOGUE = load_catalogue()
CHIPS = ["h100-sxm", "b200-sxm", "a100-80-sxm", "l40s", "arc-pro-b60", "h20-96", "mi300x", "ascend-910b", "t4"]
Operator = Callable[..., OperatorTime]


def decode_windowed(profile: OperatorProfile, b: float, c: float, h: float, kv: float, w: float) -> OperatorTime:
    return attention_decode(profile, b, c, h, kv, 128, window=w)


def prefill_windowed(
    profile: OperatorProfile, b: float, q: float, h: float, kv: float, c: float, w: float
) -> OperatorTime:
    return attention_prefill(profile, b, q, h, kv, 128, context=c, window=w)


def experts_of(profile: OperatorProfile, t: float, h: float, i: float, k: float, e: float) -> OperatorTime:
    return moe(profile, t, h, i, k, e, expert_parallel=4, routing="natural")


def mixed_of(
    profile: OperatorProfile, n: float, q: float, b: float, c: float, h: float, kv: float, before: float
) -> OperatorTime:
    return attention_mixed(profile, n, q, b, c, h, kv, 128, prompt_context=before)


OPERATORS: dict[str, tuple[Operator, tuple[tuple[float, float], ...]]] = {
    "gemm": (gemm, ((1, 1e6), (1, 3e5), (1, 3e5))),
    "grouped": (lambda p, m, n, k, g: gemm(p, m, n, k, groups=g), ((1, 1e5), (1, 1e5), (1, 1e5), (1, 512))),
    "blocks": (lambda p, m, n, k: gemm(p, m, n, k, dtype="fp8_block"), ((1, 1e6), (1, 3e5), (1, 3e5))),
    "prefill": (attention_prefill, ((1, 4096), (1, 3e5), (1, 256), (1, 256), (8, 1024))),
    "prefill windowed": (prefill_windowed, ((1, 512), (1, 3e5), (1, 256), (1, 64), (1, 3e5), (1, 3e5))),
    "decode": (attention_decode, ((1, 1e4), (1, 2e6), (1, 256), (1, 256), (8, 1024))),
    "decode windowed": (decode_windowed, ((1, 1e4), (1, 2e6), (1, 256), (1, 256), (1, 2e6))),
    "latent prefill": (mla_prefill, ((1, 4096), (1, 3e5), (1, 256))),
    "latent decode": (mla_decode, ((1, 1e4), (1, 2e6), (1, 256))),
    "mixed": (mixed_of, ((1, 64), (1, 16384), (1, 4096), (1, 1e6), (1, 256), (1, 256), (1, 1e5))),
    "linear prefill": (linear_prefill, ((1, 512), (1, 3e5), (1, 256), (16, 256), (16, 256))),
    "linear decode": (linear_decode, ((1, 4096), (1, 256), (16, 256), (16, 256))),
    "experts": (experts_of, ((1, 1e6), (64, 16384), (16, 32768), (1, 16), (16, 1024))),
    "norm": (norm, ((1, 1e6), (64, 16384))),
    "optimizer": (optimizer_step, ((1, 1e11),)),
    "copy": (kv_copy, ((1, 1e12),)),
    "quantise": (quantise, ((1, 1e10),)),
}


def random_inputs(data: st.DataObject, spans: tuple[tuple[float, float], ...]) -> list[float]:
    return [float(np.exp(data.draw(st.floats(float(np.log(low)), float(np.log(high)))))) for low, high in spans]


def profile_or_skip(chip: Chip | str, operator: str) -> OperatorProfile | None:
    found = operator_profile(CATALOGUE.chip(chip) if isinstance(chip, str) else chip)
    return None if operator == "blocks" and ("gemm", "fp8_block") in found.missing else found


@pytest.mark.parametrize("name", OPERATORS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_time_below_the_data_sheet(name: str, data: st.DataObject) -> None:
    operator, spans = OPERATORS[name]
    chip = CATALOGUE.chip(data.draw(st.sampled_from(CHIPS)))
    profile = profile_or_skip(chip, name)
    if profile is None:
        return
    cost = operator(profile, *random_inputs(data, spans))
    peak = max(chip.rates.values())
    for time in (cost.low_s, cost.time_s, cost.high_s):
        assert time >= cost.flop / peak * (1 - 1e-9)
        assert time >= cost.bytes / chip.mem_bytes_per_s * (1 - 1e-9)
    assert 0.0 < cost.low_s <= cost.time_s <= cost.high_s


@pytest.mark.parametrize("name", OPERATORS)
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_more_of_any_dimension_never_takes_less_time(name: str, data: st.DataObject) -> None:
    operator, spans = OPERATORS[name]
    profile = profile_or_skip(data.draw(st.sampled_from(CHIPS)), name)
    if profile is None:
        return
    inputs = random_inputs(data, spans)
    place = data.draw(st.integers(0, len(inputs) - 1))
    more = list(inputs)
    more[place] *= data.draw(st.floats(1.0, 8.0))
    before, after = operator(profile, *inputs), operator(profile, *more)
    fields = ("time_s", "low_s", "high_s") if before.evidence == after.evidence else ("time_s",)
    for field in fields:
        assert getattr(after, field) >= getattr(before, field) * (1 - 1e-9), (field, inputs, more)


@pytest.mark.parametrize("name", OPERATORS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_hair_more_of_any_dimension_changes_little(name: str, data: st.DataObject) -> None:
    operator, spans = OPERATORS[name]
    profile = profile_or_skip(data.draw(st.sampled_from(CHIPS)), name)
    if profile is None:
        return
    inputs = random_inputs(data, spans)
    place = data.draw(st.integers(0, len(inputs) - 1))
    edge = data.draw(st.sampled_from([inputs[place], *(2.0**power for power in range(20))]))
    below, above = list(inputs), list(inputs)
    below[place], above[place] = edge * (1 - 1e-6), edge * (1 + 1e-6)
    first, second = operator(profile, *below).time_s, operator(profile, *above).time_s
    assert second == pytest.approx(first, rel=1e-3), (below, above)


@pytest.mark.parametrize("name", OPERATORS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_more_bandwidth_or_peak_never_slows(name: str, data: st.DataObject) -> None:
    operator, spans = OPERATORS[name]
    chip = CATALOGUE.chip(data.draw(st.sampled_from(CHIPS)))
    if profile_or_skip(chip, name) is None:
        return
    factor = data.draw(st.sampled_from([1.01, 1.3, 3.0]))
    assert chip.mem_bytes_per_s is not None
    faster = {
        "bandwidth": dataclasses.replace(chip, mem_bytes_per_s=chip.mem_bytes_per_s * factor),
        "peak": dataclasses.replace(chip, rates={rate: value * factor for rate, value in chip.rates.items()}),
    }[data.draw(st.sampled_from(["bandwidth", "peak"]))]
    inputs = random_inputs(data, spans)
    assert operator(operator_profile(faster), *inputs).time_s <= operator(operator_profile(chip), *inputs).time_s * (
        1 + 1e-9
    )


BATCHES: dict[str, tuple[int, float]] = {
    "gemm": (0, 1e-9),
    "grouped": (0, 1e-9),
    "blocks": (0, 1e-9),
    "prefill": (0, 1e-9),
    "prefill windowed": (0, 1e-9),
    "decode": (0, 0.15),
    "decode windowed": (0, 0.15),
    "latent prefill": (0, 1e-9),
    "latent decode": (0, 0.15),
    "experts": (0, 0.05),
    "norm": (0, 1e-9),
    "copy": (0, 1e-9),
}
"""Dimension that counts independent work, and by how much its price may rise between two doublings."""


@pytest.mark.parametrize("name", BATCHES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_work_in_bulk_is_never_dearer_by_the_piece(name: str, data: st.DataObject) -> None:
    operator, spans = OPERATORS[name]
    place, slack = BATCHES[name]
    spans = tuple((low, min(high, 2.0**11) if at == place else high) for at, (low, high) in enumerate(spans))
    chip = data.draw(st.sampled_from(CHIPS))
    profile = profile_or_skip(chip, name)
    if profile is None:
        return
    inputs = random_inputs(data, spans)
    more = data.draw(st.floats(1.0, 2.0))
    some, twice = list(inputs), list(inputs)
    some[place] *= more
    twice[place] *= 2.0
    first = operator(profile, *inputs)
    for field in ("time_s", "low_s", "high_s"):
        assert getattr(operator(profile, *twice), field) <= 2.0 * getattr(first, field) * (1 + 1e-9), (field, inputs)
        within = more * getattr(first, field) * (1 + slack)
        assert getattr(operator(profile, *some), field) <= within, (field, inputs, more)


@pytest.mark.parametrize("without", [frozenset(), frozenset({"h100-sxm"}), frozenset({"h100-sxm", "h200-sxm"})])
def test_the_interval_widens_down_the_ladder(without: frozenset[str]) -> None:
    chip = CATALOGUE.chip("h100-sxm")
    cost = gemm(operator_profile(chip, without=without), 512, 4096, 4096)
    assert cost.evidence == len(without)
    own = gemm(operator_profile(chip), 512, 4096, 4096)
    assert cost.high_s / cost.time_s >= own.high_s / own.time_s


@pytest.mark.parametrize("chip", sorted(CATALOGUE.chips))
def test_every_chip_answers_or_says_what_is_missing(chip: str) -> None:
    found = CATALOGUE.chip(chip)
    known = found.mem_bytes_per_s and (found.rates.get("bf16") or found.rates.get("fp16"))
    if not known or "SRAM" in found.mem_type:
        with pytest.raises(Undetermined, match=r"bandwidth|peak|on-chip memory"):
            operator_profile(found)
        return
    profile = operator_profile(found)
    assert 0.0 < gemm(profile, 1024, 4096, 4096).time_s < 1e4
    assert 0.0 < attention_decode(profile, 8, 4096, 32, 8, 128).time_s < 1e3


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_own_timings_leave_times_and_intervals_rising_and_above_the_data_sheet(data: st.DataObject) -> None:
    chip = CATALOGUE.chip(data.draw(st.sampled_from(["h100-sxm", "h20-96", "mi300x"])))
    plain = operator_profile(chip)
    timings = []
    for _ in range(data.draw(st.integers(1, 4))):
        m, n, k = random_inputs(data, ((1, 3e4), (64, 6e4), (64, 6e4)))
        time = float(gemm(plain, m, n, k).time_s) * data.draw(st.floats(0.4, 3.0))
        shape = (("k", k), ("m", m), ("n", n), ("precision", "bf16"))
        timings.append(Measurement(chip_id=chip.id, operator="gemm", shape=shape, measured_s=time))
    found = operator_profile(chip, calibration=timings)
    inputs = random_inputs(data, ((1, 3e4), (32, 6e4), (32, 6e4)))
    place = data.draw(st.integers(0, 2))
    more = list(inputs)
    more[place] *= data.draw(st.floats(1.0, 8.0))
    before, after = gemm(found, *inputs), gemm(found, *more)
    assert max(before.flop / chip.rates["bf16"], before.bytes / found.bytes_per_s) <= before.low_s * (1 + 1e-9)
    assert before.low_s <= before.time_s <= before.high_s
    for field in ("time_s", "low_s", "high_s"):
        assert getattr(after, field) >= getattr(before, field) * (1 - 1e-9), (field, inputs, more)
    twice = gemm(found, 2.0 * inputs[0], *inputs[1:])
    assert twice.time_s <= 2.0 * before.time_s * (1 + 1e-9)
