"""Serving yields: memory, targets, bounds and what is refused."""

import dataclasses
import re

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError, OutsideModelRange, Undetermined
from chipwise.perf import day_load_factor, estimate_serving
from chipwise.perf.explain import sources_of
from chipwise.perf.infer.setup import Layout, build_setup
from chipwise.perf.infer.terms import engine_constant
from chipwise.perf.machine import engine_memory_bytes, kv_precision_of, weight_precision_of
from chipwise.perf.serving import DEFAULT_ENGINE
from chipwise.perf.tables import constants


def test_error_correction_takes_its_share_of_data_centre_gddr() -> None:
    catalogue = load_catalogue()
    card, server_card = catalogue.chip("rtx-4090"), catalogue.chip("l40s")
    assert engine_memory_bytes(card) / card.mem_bytes > engine_memory_bytes(server_card) / server_card.mem_bytes


def test_totals_follow_from_output_and_request_shape() -> None:
    found = estimate_serving("a100-80-sxm", "llama-2-70b", input_tokens=600, output_tokens=200)
    assert found.tokens_per_s_per_chip.value == pytest.approx(4 * found.output_tokens_per_s_per_chip.value)


def test_targets_are_met_and_cost_throughput() -> None:
    free = estimate_serving("h800-sxm", "llama-2-70b")
    bound = estimate_serving("h800-sxm", "llama-2-70b", tpot_s=0.04, ttft_s=1.0)
    assert bound.tpot_s.value <= 0.04
    assert bound.ttft_s.value <= 1.0
    assert bound.bound == "latency target"
    assert bound.output_tokens_per_s_per_chip.value < free.output_tokens_per_s_per_chip.value


def test_impossible_target_is_an_answer() -> None:
    found = estimate_serving("a100-80-sxm", "llama-2-70b", tpot_s=1e-4)
    assert not found.feasible
    assert "TPOT" in found.why_not
    assert found.output_tokens_per_s_per_chip is None
    assert found.to_dict()["tpot_s"] is None


def test_a_model_that_does_not_fit_says_how_much_it_needs() -> None:
    found = estimate_serving("h100-sxm", "deepseek-v3")
    assert not found.feasible
    stated = re.match(r"(\d+) GB of fp8 weights", found.why_not)
    assert stated is not None
    assert 660 < float(stated.group(1)) < 760
    assert found.bound == "memory capacity"


def test_default_request_is_the_named_trace() -> None:
    found = estimate_serving("l20", "llama-2-7b")
    assert (found.input_tokens, found.output_tokens) == (1154.7, 211.1)
    assert "Azure" in constants()["request_input_tokens"].source


def test_weight_format_follows_model_and_chip() -> None:
    catalogue = load_catalogue()
    deepseek, llama = catalogue.model("deepseek-v3"), catalogue.model("llama-2-70b")
    assert weight_precision_of(catalogue.chip("h100-sxm"), deepseek, "auto") == "fp8"
    assert weight_precision_of(catalogue.chip("a100-80-sxm"), deepseek, "auto") == "16-bit"
    assert weight_precision_of(catalogue.chip("h100-sxm"), llama, "auto") == "16-bit"
    with pytest.raises(Undetermined, match="fp8"):
        weight_precision_of(catalogue.chip("a100-80-sxm"), llama, "fp8")
    with pytest.raises(InputError, match="fp7"):
        weight_precision_of(catalogue.chip("a100-80-sxm"), llama, "fp7")
    with pytest.raises(InputError, match="fp4"):
        kv_precision_of("fp4")


@pytest.mark.parametrize(
    ("chip", "figure"), [("kunlun-p800", "bandwidth"), ("mi308x", "peak"), ("ascend-920", "memory")]
)
def test_missing_figure_is_undetermined_and_named(chip: str, figure: str) -> None:
    with pytest.raises(Undetermined, match=f"{chip}.*{figure}"):
        estimate_serving(chip, "llama-2-7b")


def test_on_chip_memory_is_outside_the_model() -> None:
    with pytest.raises(OutsideModelRange):
        estimate_serving("groq-lpu-v1", "llama-2-7b")


def test_bad_lengths_are_named() -> None:
    with pytest.raises(InputError, match="input_tokens"):
        estimate_serving("l20", "llama-2-7b", input_tokens=0)
    with pytest.raises(InputError, match="tpot_s"):
        estimate_serving("l20", "llama-2-7b", tpot_s=float("nan"))


def test_evidence_ladder() -> None:
    assert estimate_serving("h100-sxm", "llama-2-7b").evidence == "measured on this chip"
    assert estimate_serving("h20-96", "llama-2-7b").evidence == "measured on its family"
    unmeasured = estimate_serving("ascend-910b", "llama-2-7b")
    assert unmeasured.evidence == "data sheet only"
    assert any("kernel" in note for note in unmeasured.notes)


@pytest.mark.parametrize(("chip", "capped"), [("h100-pcie", True), ("h100-nvl", True), ("h20-96", False)])
def test_less_power_per_peak_reaches_less(chip: str, capped: bool) -> None:
    catalogue = load_catalogue()
    made = build_setup(
        catalogue.chip(chip),
        catalogue.model("llama-2-7b"),
        Layout(),
        precision="16-bit",
        kv_precision="16-bit",
        engine="vllm",
        catalogue=catalogue,
    )
    assert (made.capped < 1.0) == capped


def test_memory_capacity_bounds_a_small_card() -> None:
    found = estimate_serving("rtx-4090", "llama-2-7b")
    assert found.bound == "memory capacity"
    assert found.batch < engine_constant(DEFAULT_ENGINE, "batch_cap")


def test_objects_are_taken_as_they_are() -> None:
    catalogue = load_catalogue()
    chip = dataclasses.replace(catalogue.chip("h20-96"), mem_bytes_per_s=8e12)
    faster = estimate_serving(chip, catalogue.model("llama-2-7b"))
    plain = estimate_serving("h20-96", "llama-2-7b")
    assert faster.output_tokens_per_s_per_chip.value > plain.output_tokens_per_s_per_chip.value


def test_every_fact_of_a_result_has_a_source() -> None:
    for chip in ("h20-96", "a100-80-sxm", "ascend-910b"):
        sources = sources_of(estimate_serving(chip, "llama-2-70b").facts)
        assert all(entry["source"] and entry["value"] for entry in sources), sources


def test_every_constant_names_its_source_and_lies_in_its_range() -> None:
    for entry in constants().values():
        assert entry.source, entry.id
        assert entry.low <= entry.value <= entry.high, entry.id


def test_day_load_factor_is_the_reciprocal_of_the_published_peaks() -> None:
    found = day_load_factor()
    assert found.low == pytest.approx(1 / 3.24)
    assert found.value == pytest.approx(1 / 2.98)
    assert found.high == pytest.approx(1 / 2.66)
    assert all("ServeGen" in entry["source"] for entry in sources_of(found.facts))


def test_the_engine_is_an_input() -> None:
    rates = {
        name: estimate_serving("h100-sxm", "llama-3.1-8b", engine=name).output_tokens_per_s_per_chip.value
        for name in ("vllm", "tensorrt-llm")
    }
    assert rates["tensorrt-llm"] > rates["vllm"]
    with pytest.raises(InputError, match="no engine"):
        estimate_serving("h100-sxm", "llama-3.1-8b", engine="nothing")
