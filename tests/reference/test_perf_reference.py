"""Slow, obvious twins of closed forms."""

import random

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.perf.serving import machine_of
from chipwise.perf.step import build_replica


@pytest.mark.parametrize(("experts", "chosen", "tokens"), [(8, 2, 3), (64, 8, 12), (128, 4, 64)])
def test_experts_touched_matches_drawing_them(experts: int, chosen: int, tokens: int) -> None:
    draw = random.Random(1)
    counts = []
    for _ in range(3000):
        touched: set[int] = set()
        for _ in range(tokens):
            touched.update(draw.sample(range(experts), chosen))
        counts.append(len(touched))
    closed = experts * (1.0 - (1.0 - chosen / experts) ** tokens)
    assert sum(counts) / len(counts) == pytest.approx(closed, rel=0.01)


def test_routed_weights_of_deepseek_v3_from_its_dimensions() -> None:
    catalogue = load_catalogue()
    replica = build_replica(
        machine_of(catalogue.chip("h20-141"), "fp8", catalogue), catalogue.model("deepseek-v3"), 8, "16-bit", "vllm"
    )
    assert replica.expert_weights == pytest.approx(58 * 256 * 3 * 7168 * 2048, rel=0.01)


def test_cache_of_llama_2_70b_from_its_dimensions() -> None:
    catalogue = load_catalogue()
    machine = machine_of(catalogue.chip("a100-80-sxm"), "16-bit", catalogue)
    model = catalogue.model("llama-2-70b")
    plain = 80 * 2 * 8 * 128 * 2.0
    assert build_replica(machine, model, 8, "16-bit", "vllm").kv_bytes_per_token == pytest.approx(plain)
    assert build_replica(machine, model, 16, "16-bit", "vllm").kv_bytes_per_token == pytest.approx(2 * plain)
