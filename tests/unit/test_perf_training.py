"""Training yields: ladder, traps, intervals and what is refused."""

import csv
import dataclasses
import importlib.resources
import statistics

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError, Undetermined, UnknownName
from chipwise.perf import estimate_training, peak_training_flop_per_s
from chipwise.perf.explain import sources_of
from chipwise.perf.utilisation import RUNGS, shipped_spread, utilisation


def rows(name: str) -> list[dict[str, str]]:
    path = importlib.resources.files("chipwise") / "data" / "perf" / name
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def width(estimate) -> float:
    return estimate.high / estimate.low


def test_parts_multiply_out() -> None:
    found = estimate_training("a100-80-sxm", "gpt3-175b", seq_len=2048)
    assert found.flop_per_s_per_chip.value == pytest.approx(found.peak_flop_per_s * found.mfu.value)
    assert found.tokens_per_s_per_chip.value * found.flop_per_token == pytest.approx(found.flop_per_s_per_chip.value)
    assert found.evidence == "measured on this chip"


def test_consumer_cards_train_at_the_fp32_accumulate_rate() -> None:
    chip = load_catalogue().chip("rtx-4090")
    assert peak_training_flop_per_s(chip) == pytest.approx(165.2e12)
    assert chip.rates["fp16_acc16"] > 1.9 * peak_training_flop_per_s(chip)


def test_reduced_links_keep_the_value_of_the_family_and_widen_it() -> None:
    catalogue = load_catalogue()
    full, reduced = (utilisation(catalogue.chip(name), "fp8 dense") for name in ("h200-sxm", "h800-sxm"))
    assert reduced.rung == full.rung == "family"
    assert reduced.value == full.value
    assert reduced.low < full.low


def test_a_chip_known_by_a_range_carries_it() -> None:
    unknown_bin = estimate_training("ascend-910b", "llama-2-70b")
    known_bin = estimate_training("ascend-910b3", "llama-2-70b")
    assert width(unknown_bin.flop_per_s_per_chip) > width(known_bin.flop_per_s_per_chip)
    assert any("range" in note for note in unknown_bin.notes)


def test_the_interval_widens_down_the_ladder() -> None:
    for kind in ("dense", "moe"):
        factors = [shipped_spread()[rung, kind] for rung in RUNGS]
        assert factors == sorted(factors)
    assert all(shipped_spread()[rung, "moe"] >= shipped_spread()[rung, "dense"] for rung in RUNGS)


def test_unmeasured_vendor_is_data_sheet_only() -> None:
    found = estimate_training("kunlun-r200", "llama-2-7b")
    assert found.evidence == "data sheet only"
    assert found.precision == "fp16"


@pytest.mark.parametrize(
    ("chip", "precision"), [("mi308x", "auto"), ("a100-80-sxm", "fp8"), ("tencent-zixiao", "bf16")]
)
def test_missing_peak_is_undetermined_and_named(chip: str, precision: str) -> None:
    with pytest.raises(Undetermined, match=chip):
        estimate_training(chip, "llama-2-7b", precision=precision)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InputError, match="int8"):
        estimate_training("a100-80-sxm", "llama-2-7b", precision="int8")
    with pytest.raises(InputError, match="seq_len"):
        estimate_training("a100-80-sxm", "llama-2-7b", seq_len=0)
    with pytest.raises(UnknownName, match="llama-2-7x"):
        estimate_training("a100-80-sxm", "llama-2-7x")


def test_larger_runs_of_one_batch_lose_a_little() -> None:
    small, large = (estimate_training("h100-sxm", "llama-2-70b", chips=n, batch=4096).mfu.value for n in (64, 4096))
    assert 0.5 * small < large < small


def test_state_that_does_not_fit_is_said() -> None:
    assert any("does not fit" in note for note in estimate_training("rtx-4090", "llama-2-70b", chips=8).notes)
    assert not any("fit" in note for note in estimate_training("h100-sxm", "llama-2-7b", chips=64).notes)


def test_experts_are_taken_as_routed_naturally() -> None:
    assert any("natural" in note for note in estimate_training("h100-sxm", "mixtral-8x7b").notes)


def test_spare_chips_idle_and_are_counted() -> None:
    even, odd = (estimate_training("h100-sxm", "llama-2-70b", chips=n, batch=1024) for n in (256, 257))
    assert any("idle" in note for note in odd.notes)
    assert odd.tokens_per_s_per_chip.value * 257 == pytest.approx(even.tokens_per_s_per_chip.value * 256)


def test_a_chip_without_published_memory_takes_the_utilisation_of_its_class() -> None:
    catalogue = load_catalogue()
    chip = dataclasses.replace(catalogue.chip("h100-sxm"), mem_bytes_per_s=None)
    found = estimate_training(chip, "llama-2-7b", catalogue=catalogue)
    assert found.mfu.value == pytest.approx(utilisation(chip, "16-bit dense").value)
    assert any("not published" in note for note in found.notes)


def test_shipped_medians_are_those_of_the_groups_listed() -> None:
    for row in rows("utilisation.csv"):
        values: dict[str, list[float]] = {}
        for part in row["groups"].split(";"):
            label, value = part.rsplit("=", 1)
            values.setdefault(label.split("/")[0] if row["rung"] == "generic" else label, []).append(float(value))
        expected = statistics.median(statistics.median(group) for group in values.values())
        assert float(row["value"]) == pytest.approx(expected, abs=1.1e-4), row["key"]
        assert int(row["n_groups"]) == len(row["groups"].split(";"))


def test_every_group_that_teaches_has_a_public_address() -> None:
    named = {row["source_group"] for row in rows("utilisation_sources.csv") if row["address"]}
    taught = {
        part.rsplit("=", 1)[0].split("/")[-1] for row in rows("utilisation.csv") for part in row["groups"].split(";")
    }
    assert taught <= named


def test_leaving_a_source_out_moves_to_the_others() -> None:
    chip = load_catalogue().chip("gaudi2")
    assert utilisation(chip, "fp8 dense").groups == ("intel-gaudi2",)
    without = utilisation(chip, "fp8 dense", without="intel-gaudi2")
    assert without.rung == "generic"
    assert all("intel-gaudi2" not in label for label in without.groups)


def test_every_fact_of_a_result_has_a_source() -> None:
    found = estimate_training("a800-80-sxm", "llama-2-13b")
    sources = sources_of(found.facts)
    assert [entry["id"] for entry in sources] == list(found.facts)
    assert all(entry["source"] and entry["value"] for entry in sources)


def test_small_models_carry_a_warning() -> None:
    assert any("host overhead" in note for note in estimate_training("a100-80-sxm", "gpt2-355m").notes)
