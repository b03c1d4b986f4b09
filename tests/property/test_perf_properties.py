"""What must hold for every chip: better hardware never yields less, tighter targets never yield more."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import Undetermined
from chipwise.perf import estimate_serving, estimate_training

CHIPS = ("a100-80-sxm", "h20-96", "l20", "rtx-4090", "ascend-910b", "mi300x", "b200-sxm")
MODELS = ("llama-2-7b", "llama-2-70b", "mixtral-8x7b", "deepseek-v3", "gpt-oss-120b")
factor = st.floats(1.0, 4.0)


def output(chip, model: str, **targets: float) -> float:
    found = estimate_serving(chip, model, catalogue=load_catalogue(), **targets)
    return found.output_tokens_per_s_per_chip.value if found.feasible else 0.0


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(CHIPS), st.sampled_from(MODELS), factor, st.sampled_from(["bandwidth", "peak", "memory"]))
def test_better_hardware_never_serves_less(name: str, model: str, better: float, what: str) -> None:
    chip = load_catalogue().chip(name)
    changes = {
        "bandwidth": {"mem_bytes_per_s": chip.mem_bytes_per_s * better},
        "peak": {"rates": {key: rate * better for key, rate in chip.rates.items()}},
        "memory": {"mem_bytes": chip.mem_bytes * better},
    }[what]
    if what == "peak" and chip.tdp_w:
        changes["tdp_w"] = chip.tdp_w * better
    assert output(dataclasses.replace(chip, **changes), model) >= output(chip, model) * (1 - 2e-3)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(CHIPS), st.sampled_from(MODELS), st.floats(0.01, 0.3), st.floats(1.0, 3.0))
def test_a_looser_target_never_serves_less(name: str, model: str, tpot_s: float, looser: float) -> None:
    assert output(name, model, tpot_s=tpot_s * looser) >= output(name, model, tpot_s=tpot_s) * (1 - 2e-3)


def test_every_chip_of_the_catalogue_yields_or_names_what_is_missing() -> None:
    catalogue = load_catalogue()
    refused, answered = [], 0
    for chip in catalogue.chips.values():
        for estimate in (estimate_training, estimate_serving):
            try:
                found = estimate(chip, "llama-2-7b", catalogue=catalogue)
            except Undetermined as error:
                refused.append((chip.id, error.line()))
                continue
            answered += 1
            spans = [found.tokens_per_s_per_chip] if found.tokens_per_s_per_chip else []
            assert all(0 < span.low <= span.value <= span.high for span in spans)
    assert all(chip_id in line for chip_id, line in refused)
    assert answered > len(catalogue.chips)


@pytest.mark.parametrize("model", MODELS)
def test_every_interval_contains_its_value(model: str) -> None:
    for chip in CHIPS:
        found = estimate_serving(chip, model)
        for name in ("tpot_s", "ttft_s", "tokens_per_s_per_chip", "output_tokens_per_s_per_chip"):
            estimate = getattr(found, name)
            if estimate is not None:
                assert 0 < estimate.low <= estimate.value <= estimate.high
