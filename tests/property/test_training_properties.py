"""What any model of a training step must obey, and agreement with a slow twin."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.perf.train.compute import micro_batch
from chipwise.perf.train.devices import device_of
from chipwise.perf.train.memory import memory
from chipwise.perf.train.objects import Layout, Stack, stacked
from chipwise.perf.train.shapes import shape_of_model
from chipwise.perf.train.step import step_time
from chipwise.perf.train.terms import shipped_terms

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from training_slow import step_seconds

TERMS = shipped_terms()
MODELS = ("llama-2-7b", "llama-3-70b", "gpt3-175b", "mixtral-8x7b", "deepseek-v3", "gpt-oss-120b")
DENSE = ("llama-2-7b", "llama-3-70b", "gpt3-175b")
CHIPS = ("a100-80-sxm", "h800-sxm", "ascend-910b3", "b200-sxm", "tpu-v5p")


def device(chip: str = "a100-80-sxm"):
    catalogue = load_catalogue()
    return device_of(catalogue.chip(chip), catalogue, "bf16", TERMS)


def shape(model: str):
    return shape_of_model(load_catalogue().model(model))


powers = st.sampled_from([1.0, 2.0, 4.0, 8.0])
layouts = st.builds(
    Layout,
    seq=st.sampled_from([1024.0, 4096.0, 32768.0]),
    tp=powers,
    pp=powers,
    vpp=st.sampled_from([1.0, 2.0]),
    dp=st.sampled_from([1.0, 4.0, 64.0]),
    shard=st.sampled_from([1.0, 4.0]),
    cp=st.sampled_from([1.0, 2.0]),
    ep=st.sampled_from([1.0, 4.0]),
    sp=st.sampled_from([0.0, 1.0]),
    zero=st.sampled_from([0.0, 1.0, 2.0, 3.0]),
    mbs=st.sampled_from([1.0, 2.0, 4.0]),
    accum=st.sampled_from([1.0, 8.0, 64.0]),
    recompute=st.sampled_from([0.0, 0.5, 1.0]),
    adapter=st.sampled_from([0.0, 1.0]),
)


def seconds(model: str, layout: Layout, machine=None, stack: Stack | None = None) -> float:
    return float(step_time(shape(model), layout, machine or device(), stack or Stack(), TERMS).time_s)


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(MODELS),
    layouts,
    st.sampled_from(CHIPS),
    st.sampled_from(
        [
            "peak",
            "peak16",
            "bytes_per_s",
            "link_bytes_per_s",
            "network_bytes_per_s",
            "host_bytes_per_s",
            "reach",
            "kernel",
        ]
    ),
    st.floats(1.01, 4.0),
)
def test_more_of_anything_never_slows(model: str, layout: Layout, chip: str, field: str, more: float) -> None:
    plain = device(chip)
    better = dataclasses.replace(plain, **{field: getattr(plain, field) * more})
    assert seconds(model, layout, better) <= seconds(model, layout, plain) * (1 + 1e-9)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(MODELS), layouts)
def test_parts_add_up_and_none_is_negative(model: str, layout: Layout) -> None:
    found = step_time(shape(model), layout, device(), Stack(), TERMS)
    assert float(found.time_s) == pytest.approx(sum(float(part) for part in found.parts.values()))
    assert all(float(part) >= -1e-9 * float(found.time_s) for part in found.parts.values())
    used = memory(shape(model), layout, Stack())
    parts = [float(getattr(used, item.name)) for item in dataclasses.fields(used)]
    assert float(used.total) == pytest.approx(sum(parts))
    assert min(parts) >= 0


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(MODELS), layouts)
def test_recomputation_trades_memory_for_time(model: str, layout: Layout) -> None:
    shares = [dataclasses.replace(layout, recompute=share) for share in (0.01, 0.3, 0.6, 1.0)]
    times = [seconds(model, entry) for entry in shares]
    held = [float(memory(shape(model), entry, Stack()).activations) for entry in shares]
    assert times == sorted(times)
    assert held == sorted(held, reverse=True)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(MODELS), layouts)
def test_more_sharding_holds_no_more_state(model: str, layout: Layout) -> None:
    def state(zero: float) -> float:
        used = memory(shape(model), dataclasses.replace(layout, zero=zero, shard=layout.dp * layout.cp), Stack())
        return float(used.weights + used.gradients + used.optimizer)

    held = [state(zero) for zero in (0.0, 1.0, 2.0, 3.0)]
    assert held == sorted(held, reverse=True)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(MODELS), layouts), min_size=2, max_size=6))
def test_arrays_answer_like_single_questions(questions: list[tuple[str, Layout]]) -> None:
    shapes, options = stacked([shape(model) for model, _ in questions]), stacked([layout for _, layout in questions])
    together = step_time(shapes, options, device(), Stack(), TERMS).time_s
    assert np.allclose(together, [seconds(model, layout) for model, layout in questions], rtol=1e-12)


@pytest.mark.parametrize("model", DENSE)
def test_one_device_is_the_sum_of_its_operators(model: str) -> None:
    layout = Layout(seq=2048.0, accum=4.0, mbs=2.0)
    work = micro_batch(shape(model), layout, device(), Stack(), TERMS)
    operators = (
        sum(work.block) + sum(work.core) + work.stream + work.cast + work.permute + work.accumulate + work.logits
    )
    found = step_time(shape(model), layout, device(), Stack(), TERMS).parts
    for name in (
        "tensor traffic",
        "data traffic",
        "pipeline bubble",
        "stage imbalance",
        "sharded traffic",
        "stragglers",
    ):
        assert float(found[name]) == 0.0
    rest = sum(float(found[name]) for name in ("launch", "optimizer"))
    assert seconds(model, layout) == pytest.approx(4.0 * float(operators) + rest)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(DENSE), layouts, st.sampled_from(CHIPS[:2]), st.floats(0, 5), st.sampled_from([0.0, 1.0]))
def test_kernel_agrees_with_the_slow_twin(model: str, layout: Layout, chip: str, age: float, community: float) -> None:
    layout = dataclasses.replace(
        layout, cp=1.0, ep=1.0, zero=min(layout.zero, 1.0), adapter=0.0, shard=layout.dp, gradient_bytes=2.0
    )
    stack = Stack(age_years=age, community=community)
    slow = step_seconds(shape(model), layout, device(chip), stack, TERMS)
    assert seconds(model, layout, device(chip), stack) == pytest.approx(slow, rel=1e-9)
