"""Fast operators against their slow twins, point by point and in arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.perf.operators import (
    OperatorProfile,
    OperatorTime,
    attention_decode,
    attention_prefill,
    gemm,
    moe,
    operator_profile,
)
from chipwise.perf.operators.mixed import fused_time
from tests.reference import operators_slow as slow

CHIPS = ("h100-sxm", "l40s", "h20-96", "mi300x")


def profile_of(name: str) -> OperatorProfile:
    return operator_profile(load_catalogue().chip(name))


def figures(cost: OperatorTime) -> tuple[float, ...]:
    return cost.flop, cost.bytes, cost.time_s, cost.low_s, cost.high_s


size = st.integers(min_value=1, max_value=200_000)
chips = st.sampled_from(CHIPS)


@settings(deadline=None, max_examples=150)
@given(chips, size, size, size, st.sampled_from(["bf16", "int8_wo", "fp8_block"]))
def test_gemm(chip: str, m: int, n: int, k: int, dtype: str) -> None:
    profile = profile_of(chip)
    assert slow.close(slow.gemm(profile, m, n, k, dtype), figures(gemm(profile, m, n, k, dtype=dtype)))


@settings(deadline=None, max_examples=80)
@given(
    chips,
    st.integers(1, 300),
    st.integers(1, 3000),
    st.integers(1, 128),
    st.integers(1, 8),
    st.sampled_from([64, 128, 192, 256, 512]),
    st.integers(0, 5000),
    st.integers(0, 4000),
)
def test_prefill(chip: str, b: int, q: int, h: int, kv: int, dim: int, before: int, window: int) -> None:
    profile = profile_of(chip)
    fast = attention_prefill(profile, b, q, h, kv, dim, context=before, window=window or None)
    assert slow.close(slow.prefill(profile, b, q, h, kv, dim, before, window), figures(fast))


@settings(deadline=None, max_examples=80)
@given(
    chips,
    st.integers(1, 4000),
    st.integers(1, 2_000_000),
    st.integers(1, 128),
    st.integers(1, 128),
    st.sampled_from([64, 128, 256]),
    st.sampled_from(["bf16", "fp8"]),
)
def test_decode(chip: str, b: int, context: int, h: int, kv: int, dim: int, cache: str) -> None:
    profile = profile_of(chip)
    fast = attention_decode(profile, b, context, h, kv, dim, kv_dtype=cache)
    assert slow.close(slow.decode(profile, b, context, h, kv, dim, cache), figures(fast))


@settings(deadline=None, max_examples=60)
@given(
    chips,
    st.integers(1, 4096),
    st.integers(64, 8192),
    st.integers(16, 16384),
    st.sampled_from([1, 2, 8]),
    st.sampled_from([8, 64, 256]),
    st.sampled_from([1, 4, 16]),
)
def test_experts(chip: str, t: int, hidden: int, width: int, top_k: int, experts: int, parallel: int) -> None:
    profile = profile_of(chip)
    fast = moe(profile, t, hidden, width, top_k, experts, expert_parallel=parallel)
    assert slow.close(slow.moe(profile, t, hidden, width, top_k, experts, parallel), figures(fast))


@pytest.mark.parametrize("chip", CHIPS)
def test_arrays_equal_single_calls(chip: str) -> None:
    profile = profile_of(chip)
    draw = np.random.default_rng(3)
    m, n, k = (np.exp2(draw.uniform(-1.0, 18.0, 20_000)) for _ in range(3))
    many = gemm(profile, m, n, k)
    for place in range(0, 20_000, 997):
        one = gemm(profile, float(m[place]), float(n[place]), float(k[place]))
        assert figures(one) == pytest.approx([float(f[place]) for f in figures(many)], rel=1e-12)


def test_shapes_broadcast() -> None:
    profile = profile_of("h100-sxm")
    cost = gemm(profile, np.array([1, 16, 256])[:, None], np.array([1024, 4096]), 4096)
    assert cost.time_s.shape == (3, 2)
    decode = attention_decode(profile, np.array([1, 8]), np.array([[128], [4096], [9000]]), 32, 8, 128, window=1024)
    assert decode.time_s.shape == (3, 2)
    assert figures(attention_decode(profile, 8, 9000, 32, 8, 128, window=1024)) == pytest.approx(
        [float(f[2, 1]) for f in figures(decode)], rel=1e-12
    )


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["rtx-pro-6000-server", "l40s", "h100-sxm", "ascend-910b"]),
    st.tuples(
        st.floats(1, 16),
        st.floats(1, 8192),
        st.floats(0, 65536),
        st.floats(1, 1024),
        st.floats(1, 131072),
        st.floats(1, 128),
        st.floats(1, 32),
    ),
    st.floats(1e-7, 1e-2),
)
def test_fused_attention(chip: str, sizes: tuple[float, ...], alone: float) -> None:
    profile = profile_of(chip)
    kernel = profile.mixed
    assert kernel is not None
    peak = profile.surface("prefill", "bf16", "128").peak_flop_per_s
    fast = fused_time(kernel, peak, profile.bytes_per_s, alone, sizes, 128.0, 512.0)
    assert fast == pytest.approx(slow.fused(kernel, peak, profile.bytes_per_s, alone, sizes, 128.0, 512.0), rel=1e-9)
    arrays = tuple(np.array([size, size]) for size in sizes)
    many = fused_time(kernel, peak, profile.bytes_per_s, np.array([alone, alone]), arrays, 128.0, 512.0)
    assert many == pytest.approx([fast, fast], rel=1e-12)
