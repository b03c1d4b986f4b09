"""The shipped terms: every one explained, near its prior, and none of them a row in disguise."""

import csv
import dataclasses
import importlib.resources
import math

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.perf.train.devices import day_of, device_of, family_of, split_device
from chipwise.perf.train.memory import memory
from chipwise.perf.train.objects import Layout, Stack
from chipwise.perf.train.shapes import shape_of_columns, shape_of_model
from chipwise.perf.train.spread import interval_factor, rung_of, taught_sources
from chipwise.perf.train.terms import Terms, shipped_terms


def rows(name: str) -> list[dict[str, str]]:
    path = importlib.resources.files("chipwise") / "data" / "perf" / "train" / name
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_every_term_is_explained_and_near_its_prior() -> None:
    for row in rows("terms.csv"):
        assert row["meaning"], row["term"]
        assert row["source_of_prior"], row["term"]
        moved = abs(math.log(float(row["value"]) / float(row["prior"])))
        assert moved <= 2.5 * float(row["prior_width"]), row["term"]


def test_the_file_holds_exactly_the_terms_of_the_model() -> None:
    named = {row["term"] for row in rows("terms.csv") if ":" not in row["term"]}
    assert named == {item.name for item in dataclasses.fields(Terms)} - {"family", "chip"}


def test_a_chip_moves_little_against_its_family() -> None:
    catalogue = load_catalogue()
    for chip, factor in shipped_terms().chip.items():
        assert catalogue.chip(chip).id == chip
        assert 0.85 < factor < 1.18


def test_there_are_many_more_sources_than_terms_of_families() -> None:
    assert len(taught_sources()) >= 4 * len(shipped_terms().family)


def test_less_evidence_is_a_wider_interval() -> None:
    for mixture in (False, True):
        widths = [interval_factor(rung, mixture=mixture) for rung in ("chip", "family", "data sheet")]
        assert widths == sorted(widths)
        assert interval_factor("chip", mixture=mixture, blank=True) > interval_factor("chip", mixture=mixture)
    assert interval_factor("chip", mixture=True) > interval_factor("chip", mixture=False)


@pytest.mark.parametrize(
    ("chip", "rung"),
    [("h100-sxm", "chip"), ("h800-sxm", "family"), ("kunlun-r200", "data sheet"), ("ascend-910b", "family")],
)
def test_evidence_of_a_chip(chip: str, rung: str) -> None:
    assert rung_of(load_catalogue().chip(chip), shipped_terms()) == rung


@pytest.mark.parametrize(
    "name", ["llama-2-7b", "llama-3-70b", "mixtral-8x7b", "deepseek-v3", "gpt-oss-120b", "gemma-4-31b"]
)
def test_weights_of_a_shape_are_those_of_the_model(name: str) -> None:
    model = load_catalogue().model(name)
    shape = shape_of_model(model)
    tables = shape.params_table * (2.0 - shape.tied)
    assert shape.params_dense + shape.params_expert + tables == pytest.approx(model.params_total, rel=1e-6)


def test_printed_columns_give_the_shape_of_the_catalogue() -> None:
    model = shape_of_model(load_catalogue().model("llama-3-70b"))
    printed = shape_of_columns(
        {
            "layers": 80, "hidden": 8192, "ffn_hidden": 28672, "gated_mlp": 1, "heads": 64, "kv_heads": 8,
            "head_dim": 128, "vocab": 128256,
        }
    )  # fmt: skip
    assert printed is not None
    for name in ("qkv_width", "out_width", "core_full", "kv_width", "dense_layers", "matrices"):
        assert getattr(printed, name) == pytest.approx(getattr(model, name))
    assert printed.params_dense == pytest.approx(model.params_dense, rel=0.01)
    assert shape_of_columns({"layers": 80, "hidden": 8192, "heads": 64, "vocab": 128256, "n_experts": 8}) is None


def test_half_a_package_is_half_of_everything_but_the_domain() -> None:
    catalogue = load_catalogue()
    whole = device_of(catalogue.chip("mi250x"), catalogue, "bf16", shipped_terms())
    half = split_device(whole, 0.5)
    assert half.peak == whole.peak / 2
    assert half.mem_bytes == whole.mem_bytes / 2
    assert half.domain == 2 * whole.domain
    assert half.reach == whole.reach


@pytest.mark.parametrize(
    ("text", "day"),
    [("2024-09", (2024, 9)), ("2025-H2", (2025, 8)), ("2022-Q3 (production)", (2022, 8)), ("2023-2024", (2024, 1))],
)
def test_days_are_read_from_what_sources_print(text: str, day: tuple[int, int]) -> None:
    found = day_of(text)
    assert found is not None
    assert (found.year, found.month) == day


def test_family_of_one_vendor_is_one_but_nvidia_splits_by_memory() -> None:
    catalogue = load_catalogue()
    assert family_of(catalogue.chip("h100-sxm")) == family_of(catalogue.chip("a100-80-sxm"))
    assert family_of(catalogue.chip("l40s")) != family_of(catalogue.chip("h100-sxm"))
    assert family_of(catalogue.chip("mi325x")) == family_of(catalogue.chip("mi355x")) == "AMD"


# Megatron selective-recomputation paper (Korthikanti et al. 2022), figure 1, GiB: parameters with gradients and
# optimizer; activations of the first stage; activations with sequence parallelism and the core recomputed.
PAPER = {
    "megatron-22b": (8, 1, 1, 4, 45.56, 59.25, 9.56),
    "gpt3-175b": (64, 8, 3, 1, 45.56, 66.84, 12.35),
    "megatron-530b": (280, 35, 3, 1, 31.64, 114.02, 23.08),
    "megatron-1t": (512, 64, 1, 1, 32.96, 131.25, 26.56),
}


@pytest.mark.parametrize("name", list(PAPER))
def test_memory_agrees_with_the_paper_it_follows(name: str) -> None:
    units, pp, vpp, mbs, states, whole, selective = PAPER[name]
    shape = shape_of_model(load_catalogue().model(name))
    for sp, core, activations in ((0.0, 0.0, whole), (1.0, 1.0, selective)):
        layout = Layout(
            seq=2048.0, tp=8.0, pp=float(pp), vpp=float(vpp), mbs=float(mbs), accum=units / mbs, sp=sp,
            recompute_core=core,
        )  # fmt: skip
        found = memory(shape, layout, Stack(flash=0.0))
        assert float(found.activations) / 2**30 == pytest.approx(activations, rel=0.10)
        assert float(found.weights + found.gradients + found.optimizer) / 2**30 == pytest.approx(states, rel=0.09)
