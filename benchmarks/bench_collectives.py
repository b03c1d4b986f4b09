"""Speed of the collectives: evaluations per second of one core, and one call, beside the slow twin.

Usage: ``python -m benchmarks.bench_collectives``
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from chipwise.catalogue import load_catalogue
from chipwise.perf.collectives import all_reduce
from chipwise.perf.topology import machine
from tests.reference import collectives_slow as slow

COUNT = 1_000_000


def best(action: Callable[[], object], repeats: int = 7) -> float:
    """Least processor time of several runs, s."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Print one line per case."""
    job = machine("dgx-h100", chips=1024, catalogue=load_catalogue())
    random = np.random.default_rng(0)
    messages = np.exp(random.uniform(5.0, 22.0, COUNT))
    cases = {
        "one group, one tier": 8,
        "one group, two tiers": 64,
        "groups mixed, one tier": random.choice([2, 4, 8], COUNT),
        "groups mixed, two tiers": random.choice([2, 4, 8, 64, 1024], COUNT),
    }
    rates = {}
    for name, groups in cases.items():
        rates[name] = COUNT / best(lambda groups=groups: all_reduce(job, messages, groups))
        print(f"{name:26} {rates[name] / 1e6:8.1f} million/s")
    single = best(lambda: [all_reduce(job, 1e6, 64) for _ in range(10_000)]) / 10_000
    print(f"{'one call, two tiers':26} {single * 1e6:8.1f} microseconds")
    twin = (
        best(lambda: [slow.two_level("h100-sxm", 450e9, 50e9, "all_reduce", 8, 8, 1e6) for _ in range(1_000)]) / 1_000
    )
    print(f"{'slow twin, one call':26} {twin * 1e6:8.1f} microseconds")
    print(f"array over twin, two tiers {rates['one group, two tiers'] * twin:8.0f} times")


if __name__ == "__main__":
    main()
