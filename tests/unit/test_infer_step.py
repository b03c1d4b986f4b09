"""One step on the operator layer: what it sums, how layouts divide it, what memory remains."""

import dataclasses

import numpy as np
import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError
from chipwise.perf.infer.capacity import cache_room_per_chip, cache_tokens, driver_memory_bytes, most_requests
from chipwise.perf.infer.load import closed_loop, saturated, static_batch
from chipwise.perf.infer.setup import Layout, Setup, build_setup, cache_bytes_per_chip, weight_bytes_per_chip
from chipwise.perf.infer.shapes import work_of
from chipwise.perf.infer.step import decode_parts, lone_prompt_parts, prompt_parts, token_parts
from chipwise.perf.infer.terms import term_names, terms_of, terms_table
from chipwise.perf.operators import gemm


def setup(
    chip: str = "h100-sxm",
    model: str = "llama-3.1-8b",
    layout: Layout | None = None,
    *,
    precision: str = "16-bit",
    engine: str = "vllm",
) -> Setup:
    catalogue = load_catalogue()
    return build_setup(
        catalogue.chip(chip),
        catalogue.model(model),
        layout or Layout(),
        precision=precision,
        kv_precision="16-bit",
        engine=engine,
        catalogue=catalogue,
    )


@pytest.mark.parametrize("model", ["llama-3.1-8b", "llama-3.1-70b", "mixtral-8x7b", "deepseek-v3", "gpt-oss-120b"])
def test_products_hold_the_weights_of_the_model(model: str) -> None:
    found = load_catalogue().model(model)
    work = work_of(found)
    total = sum(product.n * product.k * product.count for product in work.products)
    if work.experts is not None:
        total += 3.0 * work.experts.layers * work.experts.count * work.experts.hidden * work.experts.width
    assert total == pytest.approx(found.params_total - found.params_embedding_table, rel=0.02)


def test_one_chip_is_the_sum_of_its_matrix_products() -> None:
    made = setup()
    parts = token_parts(made, 64.0, 64.0)
    total = sum(p.count * gemm(made.profile, 64.0, p.n, p.k, dtype="bf16").time_s for p in made.work.products)
    assert parts.gemm == pytest.approx(total)
    assert parts.collective == 0.0
    assert parts.volume == 0.0


def test_arrays_give_what_numbers_give() -> None:
    made = setup(model="mixtral-8x7b", layout=Layout(tensor=2))
    batches = np.array([1.0, 7.0, 64.0, 300.0])
    together = decode_parts(made, batches, 1500.0)
    for place, batch in enumerate(batches.tolist()):
        alone = decode_parts(made, batch, 1500.0)
        for field in dataclasses.fields(alone):
            assert getattr(together, field.name)[place] == pytest.approx(getattr(alone, field.name), rel=1e-9)


def test_a_layout_divides_weights_and_refuses_what_cannot_be() -> None:
    whole, half = setup(), setup(layout=Layout(tensor=2))
    assert weight_bytes_per_chip(half) == pytest.approx(weight_bytes_per_chip(whole) / 2.0, rel=0.01)
    with pytest.raises(InputError, match="expert"):
        Layout(tensor=2, expert=3)


def test_few_cache_heads_are_copied_and_not_divided() -> None:
    wide, eight = setup(layout=Layout(tensor=16)), setup(layout=Layout(tensor=8))
    assert cache_bytes_per_chip(wide, 1000.0) == pytest.approx(cache_bytes_per_chip(eight, 1000.0))


@pytest.mark.parametrize("narrow", ["fp8", "int4"])
def test_narrow_weights_leave_more_room(narrow: str) -> None:
    assert cache_room_per_chip(setup(precision=narrow)) > cache_room_per_chip(setup())


def test_cache_of_a_measured_server() -> None:
    # vLLM 0.19 on one RTX 4090 with Llama-3.1-8B held 43,000 to 47,000 tokens.
    assert cache_tokens(setup("rtx-4090"), 1000.0) == pytest.approx(45_000, rel=0.12)


def test_an_engine_that_never_evicts_runs_fewer_requests() -> None:
    assert most_requests(setup(engine="tensorrt-llm"), 100.0, 2000.0) < most_requests(setup(), 100.0, 2000.0)


@pytest.mark.parametrize("regime", ["closed", "static", "max_load"])
def test_littles_law_holds(regime: str) -> None:
    made = setup()
    names = term_names(
        "vllm", sheet=False, vendor="NVIDIA", cpu=False, precision="16-bit", regime=regime, settled=regime == "closed"
    )
    terms, output = terms_of(names), 200.0
    parts = (decode_parts(made, 32.0, 600.0), prompt_parts(made, 32.0, 500.0, 2000.0), lone_prompt_parts(made, 500.0))
    if regime == "static":
        load = static_batch(*parts, terms, batch=32.0, output_tokens=output, layers=32.0)
    elif regime == "closed":
        load = closed_loop(*parts, terms, wanted=40.0, most=32.0, output_tokens=output, layers=32.0)
    else:
        load = saturated(*parts, terms, batch=32.0, output_tokens=output, layers=32.0)
    inside = load.requests_per_s * (load.ttft_s + load.tpot_s * (output - 1.0))
    assert inside == pytest.approx(load.in_flight)
    assert load.tpot_with_first_s == pytest.approx(inside / load.requests_per_s / output)


def test_waiting_for_memory_shows_in_the_first_token_and_not_in_the_rate() -> None:
    made = setup()
    names = term_names(
        "vllm", sheet=False, vendor="NVIDIA", cpu=False, precision="16-bit", regime="closed", settled=True
    )
    parts = (decode_parts(made, 32.0, 600.0), prompt_parts(made, 32.0, 500.0, 2000.0), lone_prompt_parts(made, 500.0))
    fits, waits = (
        closed_loop(*parts, terms_of(names), wanted=wanted, most=32.0, output_tokens=200.0, layers=32.0)
        for wanted in (32.0, 64.0)
    )
    assert waits.requests_per_s == pytest.approx(fits.requests_per_s)
    assert waits.ttft_s > 3.0 * fits.ttft_s


def test_every_term_has_a_source_and_stays_near_its_prior() -> None:
    for term in terms_table().values():
        assert term.source, term.id
        assert abs(np.log(term.value / term.prior)) < 3.5 * term.log_sd, term.id


def test_context_ranks_divide_prompts_and_caches_but_not_weights() -> None:
    whole, split = (
        setup(model="llama-3.1-70b", layout=Layout(tensor=4)),
        setup(model="llama-3.1-70b", layout=Layout(tensor=4, context=2)),
    )
    assert split.layout.chips == 8
    assert weight_bytes_per_chip(split) == pytest.approx(weight_bytes_per_chip(whole))
    assert cache_bytes_per_chip(split, 1000.0) == pytest.approx(cache_bytes_per_chip(whole, 1000.0) / 2.0)
    alone, shared = (lone_prompt_parts(each, 32_000.0) for each in (whole, split))
    assert alone.attention / 2.0 == pytest.approx(shared.attention)
    assert shared.gemm == pytest.approx(0.5 * alone.gemm, rel=0.05)
    assert shared.collective + shared.volume > 0.0
    long, parts = (decode_parts(each, 8.0, 100_000.0) for each in (whole, split))
    assert parts.attention < 0.7 * long.attention
    assert parts.gemm == pytest.approx(long.gemm)


def test_experts_spread_wide_send_tokens_to_their_experts_alone() -> None:
    wide = setup("h800-sxm", "deepseek-v3", Layout(data=64, expert=64), precision="fp8")
    chosen, hidden = 8.0, 7168.0
    tokens = 64.0 * 128.0
    found = token_parts(wide, tokens, tokens)
    everyone = 2.0 * tokens * hidden * 2.0 / (wide.topology.network_bytes_per_s or 1.0) * 58.0
    assert found.collective + found.volume < everyone
    assert found.collective + found.volume > 58.0 * tokens / 64.0 * chosen * hidden * 2.0 / 450e9


def test_each_engine_keeps_its_own_memory_rule() -> None:
    rooms = {name: cache_room_per_chip(setup("ascend-910b", engine=name)) for name in ("vllm", "mindie", "llama.cpp")}
    memory = driver_memory_bytes(setup("ascend-910b"))
    weights = weight_bytes_per_chip(setup("ascend-910b"))
    assert rooms["mindie"] == pytest.approx(0.8 * (memory - weights - 3.0e9), rel=0.02)
    assert rooms["llama.cpp"] > rooms["vllm"]
    assert cache_tokens(setup("ascend-910b", engine="mindie"), 1000.0) % 128 == 0.0


def test_graphs_take_from_caches_only_where_the_share_leaves_too_little() -> None:
    made = setup("rtx-4090")
    assert cache_room_per_chip(made, 0.99) == pytest.approx(cache_room_per_chip(made, 0.98))
    assert cache_room_per_chip(made, 0.90) < cache_room_per_chip(made, 0.92)
