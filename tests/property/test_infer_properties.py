"""What must hold for every step: more bandwidth never slows, work never hurries, more requests never yield less."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.perf.infer.load import step_s
from chipwise.perf.infer.predict import names_of, spread
from chipwise.perf.infer.setup import Layout, build_setup
from chipwise.perf.infer.step import decode_parts, lone_prompt_parts
from chipwise.perf.infer.terms import terms_of

CHIPS = ("a100-80-sxm", "h20-96", "l20", "ascend-910b", "mi300x")
MODELS = ("llama-2-7b", "llama-2-70b", "mixtral-8x7b", "deepseek-v3")


def make(name: str, model: str, better: float = 1.0):  # type: ignore[no-untyped-def]
    catalogue = load_catalogue()
    chip = catalogue.chip(name)
    chip = dataclasses.replace(chip, mem_bytes_per_s=chip.mem_bytes_per_s * better)
    return build_setup(
        chip,
        catalogue.model(model),
        Layout(),
        precision="16-bit",
        kv_precision="16-bit",
        engine="vllm",
        catalogue=catalogue,
    )


def decode_s(name: str, model: str, batch: float, context: float, better: float = 1.0) -> float:
    setup = make(name, model, better)
    terms = terms_of(names_of(setup, "closed"))
    return float(step_s(decode_parts(setup, batch, context), terms, setup.work.layers, batch))


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(CHIPS),
    st.sampled_from(MODELS),
    st.floats(1, 512),
    st.floats(16, 30_000),
    st.sampled_from([1.1, 1.5, 3.0]),
)
def test_bandwidth_never_slows_and_work_never_hurries(
    name: str, model: str, batch: float, context: float, more: float
) -> None:
    base = decode_s(name, model, batch, context)
    assert decode_s(name, model, batch, context, better=more) <= base * (1 + 1e-9)
    assert decode_s(name, model, batch * more, context) >= base * (1 - 1e-9)
    assert decode_s(name, model, batch, context * more) >= base * (1 - 1e-9)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(CHIPS), st.sampled_from(MODELS), st.floats(64, 8000), st.floats(1, 2))
def test_twice_the_requests_never_yield_less(name: str, model: str, context: float, first: float) -> None:
    setup = make(name, model)
    batches = first * 2.0 ** np.arange(10)
    terms = terms_of(names_of(setup, "closed"))
    rate = batches / step_s(decode_parts(setup, batches, context), terms, setup.work.layers, batches)
    assert (np.diff(rate) > -1e-9 * rate[:-1]).all()


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(CHIPS), st.sampled_from(MODELS), st.floats(64, 8000), st.floats(1, 512), st.floats(1.0, 2.0))
def test_somewhat_more_requests_hardly_ever_yield_less(
    name: str, model: str, context: float, batch: float, more: float
) -> None:
    """Between two doublings the tables of latent attention and of experts may bend the other way by a little."""
    setup = make(name, model)
    batches = np.array([batch, batch * more])
    terms = terms_of(names_of(setup, "closed"))
    first, second = batches / step_s(decode_parts(setup, batches, context), terms, setup.work.layers, batches)
    assert second >= first * (1 - 0.01)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(CHIPS), st.sampled_from(MODELS), st.floats(16, 10_000), st.floats(1.05, 4.0))
def test_a_longer_prompt_never_reads_faster(name: str, model: str, prompt: float, more: float) -> None:
    setup = make(name, model)
    short, long = lone_prompt_parts(setup, prompt), lone_prompt_parts(setup, prompt * more)
    assert long.gemm + long.attention + long.experts >= (short.gemm + short.attention + short.experts) * (1 - 1e-9)


def test_the_interval_widens_down_the_ladder() -> None:
    table = spread()
    for (rung, regime, metric), (low, high) in table.items():
        assert low < 1.0 < high
        if rung != "chip":
            above = table[{"family": "chip", "sheet": "family"}[rung], regime, metric]
            assert low <= above[0]
            assert high >= above[1]
