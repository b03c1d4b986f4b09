"""Compiled tables give what the step model gives, for one set-up or for many."""

import numpy as np
import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError
from chipwise.perf.infer.best import best, breakdown
from chipwise.perf.infer.capacity import most_requests
from chipwise.perf.infer.compiled import KNOTS, Compiled, compiled, knot_works, works
from chipwise.perf.infer.layouts import groups
from chipwise.perf.infer.load import work_s
from chipwise.perf.infer.predict import chunk_of, names_of
from chipwise.perf.infer.setup import Layout
from chipwise.perf.infer.step import decode_parts, lone_prompt_parts, prompt_parts
from chipwise.perf.infer.terms import terms_of

CASES = (
    ("h200-sxm", "qwen3-32b", "fp8"),
    ("h20-96", "deepseek-v3", "fp8"),
    ("ascend-910b", "llama-3.1-70b", "16-bit"),
    ("h100-sxm", "gpt-oss-120b", "int4"),
)

FORMATS = {"precision": "fp8", "kv_precision": "16-bit", "engine": "vllm"}


def made(chip: str, model: str, precision: str, layouts: tuple[Layout, ...] | None = None) -> Compiled:
    catalogue = load_catalogue()
    found = catalogue.model(model)
    return compiled(
        catalogue.chip(chip),
        found,
        layouts or groups(found, 8),
        precision=precision,
        kv_precision="16-bit",
        engine="vllm",
        catalogue=catalogue,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
def test_tables_are_the_step_model(case: tuple[str, str, str]) -> None:
    found, draw = made(*case), np.random.default_rng(1)
    errors = []
    for _ in range(40):
        place = int(draw.integers(len(found.setups)))
        setup = found.setups[place]
        batch, prompt, output = (float(np.exp(draw.uniform(*span))) for span in ((0, 6), (4, 10), (3, 8)))
        terms, chunk = terms_of(names_of(setup, "max_load")), chunk_of(setup, batch, prompt)
        exact = (
            decode_parts(setup, batch, prompt + output / 2.0),
            prompt_parts(setup, batch, prompt, chunk),
            lone_prompt_parts(setup, prompt),
        )
        ours = works(found, place, batch, prompt, output, chunk)
        errors.append([float(o.gemm / work_s(e, terms)) - 1.0 for o, e in zip(ours, exact, strict=True)])
    assert np.abs(errors).max() < 0.02
    assert np.abs(errors).mean() < 0.002


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
def test_memory_is_the_capacity_rule(case: tuple[str, str, str]) -> None:
    found = made(*case)
    for place, setup in enumerate(found.setups):
        for lengths in ((100.0, 50.0), (4000.0, 1000.0), (60_000.0, 10.0), (1e7, 10.0)):
            assert float(found.most_requests(place, *lengths)) == pytest.approx(most_requests(setup, *lengths))


def test_arrays_give_what_single_setups_give() -> None:
    found, draw = made(*CASES[1]), np.random.default_rng(2)
    place = draw.integers(0, len(found.setups), 50)
    batch, prompt, output = draw.uniform(1, 300, 50), draw.uniform(50, 9000, 50), draw.uniform(10, 2000, 50)
    together = works(found, place, batch, prompt, output, 8192.0)
    for at in range(50):
        alone = works(found, int(place[at]), batch[at], prompt[at], output[at], 8192.0)
        for many, one in zip(together, alone, strict=True):
            assert many.gemm[at] == pytest.approx(float(one.gemm))


def test_the_knots_are_the_same_tables() -> None:
    found = made(*CASES[0])
    chunk = chunk_of(found.setup, KNOTS, 1500.0)
    knots = knot_works(found, 1500.0, 400.0, chunk)
    each = works(found, np.arange(len(found.setups))[:, None], KNOTS, 1500.0, 400.0, chunk)
    for ours, theirs in zip(knots, each, strict=True):
        np.testing.assert_allclose(ours.gemm, theirs.gemm, rtol=0.01)


def test_the_breakdown_adds_up_to_the_time_of_a_token() -> None:
    found = made(*CASES[1])
    chosen = best(found, 2000.0, 500.0, None, None)
    assert chosen is not None
    assert sum(breakdown(found, chosen, 2250.0).values()) == pytest.approx(chosen.load.tpot_s, rel=1e-6)


def test_a_layout_that_cannot_be_is_left_out_and_said() -> None:
    whole = made(*CASES[0], layouts=(Layout(tensor=2), Layout(tensor=4)))
    assert whole.unknown == ""
    partly = made("t4", "llama-3.1-8b", "16-bit", (Layout(), Layout(tensor=16)))
    assert [setup.layout for setup in partly.setups] == [Layout()]
    assert "network" in partly.unknown
    with pytest.raises(InputError, match="no layout"):
        compiled(whole.setup.chip, whole.setup.model, (), **FORMATS, catalogue=load_catalogue())
