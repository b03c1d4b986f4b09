"""The simulator's step is the step model, made piecewise linear."""

import numpy as np
import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError
from chipwise.perf.infer.capacity import cache_tokens
from chipwise.perf.infer.linear import linear_step
from chipwise.perf.infer.load import step_s, work_s
from chipwise.perf.infer.predict import names_of
from chipwise.perf.infer.setup import Layout, Setup, build_setup
from chipwise.perf.infer.step import decode_parts, prompt_parts, token_parts
from chipwise.perf.infer.terms import terms_of
from chipwise.perf.step_cost import step_cost

CASES = {
    "one chip": ("h100-sxm", "llama-3.1-8b", Layout()),
    "tensor": ("h20-96", "llama-3.1-70b", Layout(tensor=8)),
    "experts": ("h200-sxm", "qwen3-30b-a3b", Layout(data=2, expert=2)),
    "pipeline": ("a100-80-sxm", "llama-3.1-70b", Layout(tensor=4, pipeline=2)),
    "latent": ("h200-sxm", "deepseek-v3", Layout(tensor=8)),
    "data sheet": ("ascend-910b", "llama-3.1-8b", Layout(tensor=2)),
}


def made(name: str, engine: str = "vllm") -> Setup:
    chip, model, layout = CASES[name]
    catalogue = load_catalogue()
    return build_setup(
        catalogue.chip(chip),
        catalogue.model(model),
        layout,
        precision="fp8" if name == "latent" else "16-bit",
        kv_precision="16-bit",
        engine=engine,
        catalogue=catalogue,
    )


@pytest.mark.parametrize("name", [name for name in CASES if name != "experts"])
def test_shared_work_is_the_models_at_every_breakpoint(name: str) -> None:
    setup = made(name)
    cost, terms = linear_step(setup), terms_of(names_of(setup, "closed"))
    for tokens, time in cost.breakpoints[1:]:
        assert time == pytest.approx(work_s(token_parts(setup, tokens, 1.0), terms), rel=0.02)
        assert cost.batched_s(tokens) == pytest.approx(time)


@pytest.mark.parametrize("name", CASES)
def test_decode_steps_follow_the_step_model(name: str) -> None:
    setup = made(name)
    cost, terms = linear_step(setup, context_tokens=1000.0), terms_of(names_of(setup, "closed"))
    batches = np.array([1.0, 8.0, 32.0, 64.0, 128.0, 256.0])
    for context in (300.0, 1000.0, 3000.0):
        exact = step_s(decode_parts(setup, batches, context), terms, setup.work.layers, batches / setup.layout.data)
        ours = [cost.step_time_s(decode_sequences=b, decode_context_tokens=b * context) for b in batches.tolist()]
        ratio = np.array(ours) / exact
        assert np.abs(np.log(ratio)).max() < 0.12, (context, ratio)
        assert np.abs(np.log(ratio)).mean() < 0.05, (context, ratio)


@pytest.mark.parametrize("name", ["one chip", "tensor", "data sheet"])
def test_a_prompt_beside_decodes_adds_what_the_step_model_says(name: str) -> None:
    setup = made(name)
    cost, terms = linear_step(setup, context_tokens=2048.0), terms_of(names_of(setup, "closed"))
    state = {"decode_sequences": 64.0, "decode_context_tokens": 64.0 * 1000.0}
    both = cost.step_time_s(**state, prefill_tokens=2048.0, prefill_pairs=2048.0 * 1024.0)
    mixed = (cost.mixed_attention - 1.0) * cost.per_decode_context_token_s * 64_000.0
    added = both - cost.step_time_s(**state) - mixed
    assert added == pytest.approx(
        float(terms.prompt * work_s(prompt_parts(setup, 64.0, 2048.0, 2048.0), terms)), rel=0.10
    )


def test_the_step_is_linear_in_context_while_the_batch_stays() -> None:
    cost = linear_step(made("tensor"))
    times = [cost.step_time_s(decode_sequences=40.0, decode_context_tokens=40.0 * c) for c in (100, 101, 102, 5000)]
    assert times[1] - times[0] == pytest.approx(times[2] - times[1])
    assert (times[3] - times[0]) / 4900.0 == pytest.approx(times[1] - times[0])


def test_capacity_is_the_engines_own() -> None:
    setup = made("one chip")
    assert linear_step(setup).kv_capacity_tokens == int(cache_tokens(setup, 1024.0))
    less = linear_step(setup, memory_share=0.5)
    assert 0 < less.kv_capacity_tokens < linear_step(setup).kv_capacity_tokens
    assert linear_step(made("one chip", "tensorrt-llm")).block_tokens == 32


def test_copies_that_step_together_are_one_replica() -> None:
    alone = step_cost("h200-sxm", "qwen3-30b-a3b", chips=1)
    pair = step_cost("h200-sxm", "qwen3-30b-a3b", chips=1, expert_parallel=2)
    assert pair.chips == 2
    assert pair.kv_capacity_tokens > 2 * alone.kv_capacity_tokens
    assert pair.per_decode_context_token_s == pytest.approx(alone.per_decode_context_token_s / 2, rel=0.2)


def test_stages_share_the_weights() -> None:
    with pytest.raises(InputError, match="do not fit"):
        step_cost("a100-80-sxm", "llama-3.1-70b", chips=1)
    staged = step_cost("a100-80-sxm", "llama-3.1-70b", chips=1, pipeline=4)
    assert staged.chips == 4
    assert staged.kv_capacity_tokens > 0
