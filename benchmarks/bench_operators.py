"""Speed of the operators: evaluations per second of one core, and one call, beside the slow twin.

Usage: ``python -m benchmarks.bench_operators``
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from chipwise.catalogue import load_catalogue
from chipwise.perf.operators import attention_decode, attention_prefill, gemm, mla_decode, moe, norm, operator_profile
from tests.reference import operators_slow as slow

COUNT = 1_000_000
BAR_PER_S = 20e6
BAR_CALL_S = 20e-6


def best(action: Callable[[], object], repeats: int = 7) -> float:
    """Least processor time of several runs, s."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return min(taken)


def per_call(action: Callable[[], object], calls: int) -> float:
    """Processor time of one call, s, best of several loops."""

    def loop() -> None:
        for _ in range(calls):
            action()

    return best(loop) / calls


def main() -> None:
    """Print one line an operator."""
    profile = operator_profile(load_catalogue().chip("h100-sxm"))
    random = np.random.default_rng(0)
    rows, wide, deep = (np.exp2(random.uniform(low, high, COUNT)) for low, high in ((0, 15), (5, 16), (5, 16)))
    batch, context = np.exp2(random.uniform(0, 8, COUNT)), np.exp2(random.uniform(4, 17, COUNT))
    heads = np.exp2(random.integers(3, 8, COUNT))
    arrays: dict[str, Callable[[], object]] = {
        "gemm, m n k vary": lambda: gemm(profile, rows, wide, deep),
        "gemm, one weight": lambda: gemm(profile, rows, 8192, 8192),
        "gemm fp8 blocks, m n k vary": lambda: gemm(profile, rows, wide, deep, dtype="fp8_block"),
        "prefill, batch length heads vary": lambda: attention_prefill(profile, batch, context, heads, 8, 128),
        "decode, batch context heads vary": lambda: attention_decode(profile, batch, context, heads, 8, 128),
        "latent decode, batch context vary": lambda: mla_decode(profile, batch, context, 128),
        "experts, tokens vary": lambda: moe(profile, rows, 7168, 2048, 8, 256, expert_parallel=8),
        "norm": lambda: norm(profile, rows, wide),
    }
    print(f"{'arrays of 1,000,000':36} {'million/s':>10} {'bar 20':>8}")
    for name, action in arrays.items():
        rate = COUNT / best(action)
        print(f"{name:36} {rate / 1e6:10.1f} {'met' if rate >= BAR_PER_S else 'missed':>8}")
    calls: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "gemm": (
            lambda: gemm(profile, 512, 4096, 4096),
            lambda: slow.gemm(profile, 512, 4096, 4096, "bf16"),
        ),
        "prefill": (
            lambda: attention_prefill(profile, 4, 512, 32, 8, 128),
            lambda: slow.prefill(profile, 4, 512, 32, 8, 128, 0, 0),
        ),
        "decode": (
            lambda: attention_decode(profile, 64, 4096, 32, 8, 128),
            lambda: slow.decode(profile, 64, 4096, 32, 8, 128, "bf16"),
        ),
        "experts": (
            lambda: moe(profile, 512, 7168, 2048, 8, 256, expert_parallel=8),
            lambda: slow.moe(profile, 512, 7168, 2048, 8, 256, 8),
        ),
    }
    print(f"{'one call':36} {'us':>10} {'bar 20':>8} {'slow twin':>10} {'array/twin':>11}")
    array_of = {
        "gemm": "gemm, m n k vary",
        "prefill": "prefill, batch length heads vary",
        "decode": "decode, batch context heads vary",
        "experts": "experts, tokens vary",
    }
    for name, (fast, twin) in calls.items():
        one, other = per_call(fast, 2000), per_call(twin, 50)
        ratio = other / (best(arrays[array_of[name]]) / COUNT)
        verdict = "met" if one < BAR_CALL_S else "missed"
        print(f"{name:36} {one * 1e6:10.1f} {verdict:>8} {other * 1e6:7.0f} us {ratio:10.0f}x")


if __name__ == "__main__":
    main()
