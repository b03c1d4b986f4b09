"""What must hold for every answer of the serving model, whatever is asked."""

import dataclasses
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import ChipwiseError
from chipwise.perf.infer.answer import Answer
from chipwise.perf.infer.asked_load import Asked
from chipwise.perf.infer.capacity import cache_room_per_chip
from chipwise.perf.infer.compiled import compiled
from chipwise.perf.infer.loads import answer_load
from chipwise.perf.infer.operate import operate
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.predict import interval
from chipwise.perf.infer.setup import Layout, build_setup, weight_bytes_per_chip
from chipwise.perf.infer.step import decode_parts
from chipwise.perf.machine import weight_precision_of
from chipwise.perf.operators import activation, attention_decode, gemm, norm

CHIPS = ("h100-sxm", "h20-96", "a100-80-sxm", "l20", "ascend-910b", "mi300x")
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "qwen3-30b-a3b", "deepseek-v3")
LAYOUTS = (Layout(), Layout(tensor=4), Layout(tensor=4, pipeline=2), Layout(tensor=2, context=2))
ENGINES = ("vllm", "sglang", "tensorrt-llm", "mindie")


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(CHIPS),
    st.sampled_from(MODELS),
    st.sampled_from(LAYOUTS),
    st.floats(1, 256),
    st.floats(32, 20_000),
    st.sampled_from((1.1, 2.0, 4.0)),
)
def test_more_bandwidth_never_slows_decode(
    name: str, model: str, layout: Layout, batch: float, context: float, more: float
) -> None:
    catalogue = load_catalogue()
    chip = catalogue.chip(name)
    times = []
    for factor in (1.0, more):
        assert chip.mem_bytes_per_s is not None
        found = compiled(
            dataclasses.replace(chip, mem_bytes_per_s=chip.mem_bytes_per_s * factor),
            catalogue.model(model),
            (layout,),
            precision="16-bit",
            kv_precision="16-bit",
            engine="vllm",
            catalogue=catalogue,
        )
        times.append(float(operate(found, Options(), 0, batch, context, 100.0).tpot_s))
    assert times[1] <= times[0] * (1 + 1e-6)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(CHIPS), st.sampled_from(MODELS[:2]), st.integers(1, 300), st.integers(16, 30_000))
def test_one_chip_is_the_sum_of_its_operators(name: str, model: str, batch: int, context: int) -> None:
    catalogue = load_catalogue()
    shape = catalogue.model(model)
    setup = build_setup(
        catalogue.chip(name),
        shape,
        Layout(),
        precision="16-bit",
        kv_precision="16-bit",
        engine="vllm",
        catalogue=catalogue,
    )
    parts, profile, layers = decode_parts(setup, float(batch), float(context)), setup.profile, shape.layers
    slower = 1.0 / setup.capped
    products = sum(p.count * gemm(profile, float(batch), p.n, p.k, dtype="bf16").time_s for p in setup.work.products)
    core = attention_decode(profile, float(batch), float(context), shape.heads, shape.kv_heads, shape.head_dim).time_s
    narrow = activation(profile, float(batch), shape.ffn_hidden).time_s
    wide = norm(profile, float(batch), shape.hidden).time_s
    assert products <= parts.gemm <= products * slower * (1 + 1e-9)
    assert layers * core * (1 - 1e-9) <= parts.attention <= layers * core * slower * (1 + 1e-9)
    plain = layers * (2.0 * wide + narrow)
    assert plain * (1 - 1e-9) <= parts.stream <= plain * slower * (1 + 1e-9)
    assert parts.collective == parts.volume == parts.experts == 0.0


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(CHIPS), st.sampled_from(MODELS), st.sampled_from(LAYOUTS), st.sampled_from(ENGINES))
def test_narrower_weights_never_take_more_memory(name: str, model: str, layout: Layout, engine: str) -> None:
    catalogue = load_catalogue()
    chip, shape = catalogue.chip(name), catalogue.model(model)
    made = {}
    for precision in ("bf16", "fp8", "int8", "int4", "fp4"):
        try:
            known = weight_precision_of(chip, shape, precision)
        except ChipwiseError:
            continue
        made[precision] = build_setup(
            chip, shape, layout, precision=known, kv_precision="16-bit", engine=engine, catalogue=catalogue
        )
    wide = made.pop("bf16")
    for setup in made.values():
        assert weight_bytes_per_chip(setup) <= weight_bytes_per_chip(wide)
        assert cache_room_per_chip(setup) >= cache_room_per_chip(wide)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(CHIPS),
    st.sampled_from(MODELS[:3]),
    st.sampled_from(("closed", "saturated", "static", "open")),
    st.floats(1, 2000),
    st.floats(1, 5000),
    st.floats(1, 2000),
    st.integers(0, 4),
    st.floats(0, 0.95),
)
def test_littles_law_holds_whatever_is_asked(
    name: str, model: str, load: str, number: float, prompt: float, output: float, drafts: int, accepted: float
) -> None:
    catalogue = load_catalogue()
    chip, shape = catalogue.chip(name), catalogue.model(model)
    found = answer_load(
        Asked(
            chip=chip,
            model=shape,
            load=load,
            chips=8,
            input_tokens=prompt,
            output_tokens=output,
            concurrency=number,
            batch=min(number, 64.0) if load == "static" else None,
            rate=number / 1000.0,
            options=Options(draft_tokens=drafts, acceptance=accepted),
        ),
        catalogue,
    )
    if not isinstance(found, Answer):
        assert found.cause
        return
    stay = found.ttft_s.value + found.tpot_s.value * (found.output_tokens - 1.0)
    assert found.in_flight == pytest.approx(found.requests_per_s * stay, rel=1e-9)
    if load == "closed":
        assert found.in_flight == pytest.approx(max(number, found.copies), rel=1e-9)
    assert found.tpot_s.value > 0.0
    assert math.isfinite(found.ttft_s.value)


@pytest.mark.parametrize("metric", ["tpot_mean_ms", "ttft_mean_ms", "output_tps_per_chip"])
@pytest.mark.parametrize("regime", ["closed", "max_load", "server", "static", "mlperf_offline"])
def test_the_interval_widens_down_the_ladder(metric: str, regime: str) -> None:
    chip = load_catalogue().chip("h100-sxm")
    spans = [interval(evidence, chip, regime, metric, 1.0) for evidence in (0, 1, 2)]
    for above, below in itertools.pairwise(spans):
        assert below[0] <= above[0] < 1.0 < above[1] <= below[1]
