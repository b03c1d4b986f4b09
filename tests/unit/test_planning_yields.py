"""Yields of a scenario's chips, run by run, and the cache that keeps them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chipwise.catalogue import Catalogue
from chipwise.files import content_cache
from chipwise.planning import plan
from chipwise.planning.yields import chip_yields, cluster_size, level_warnings, times
from chipwise.scenario import Scenario, load_scenario

CHIPS = ("a800-80-sxm", "h800-sxm", "ascend-910b", "kunlun-r200")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(content_cache.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path / "yields"


def test_every_run_has_its_own_rate_and_a_mixture_of_experts_a_lower_one(baidu: Scenario, catalogue: Catalogue) -> None:
    found = chip_yields(CHIPS, baidu, catalogue)
    assert set(found["h800-sxm"].training) == {job.name for job in baidu.demand.training if not job.done}
    fits = found["h800-sxm"].fits
    assert fits["ERNIE-5-class"].mfu.value < 0.8 * fits["ERNIE-next"].mfu.value
    assert "tp" in fits["ERNIE-next"].layout


def test_the_scenarios_level_holds_for_the_strongest_chip_held(baidu: Scenario, catalogue: Catalogue) -> None:
    found = chip_yields(CHIPS, baidu, catalogue)["h800-sxm"].training["ERNIE-next"]
    use = baidu.fleet_use
    peak = catalogue.chip("h800-sxm").rates["bf16"]
    assert found.value == pytest.approx(peak * use.mfu.value * use.availability.value)
    assert found.low < found.value < found.high


def test_a_chip_nobody_measured_is_not_credited_with_more_than_the_level(catalogue: Catalogue) -> None:
    for name in ("baidu-2023", "giant-2022-07", "buyer-2026"):
        scenario = load_scenario(name, catalogue=catalogue)
        chips = {line.chip_id for line in scenario.market if line.chip_id}
        for entry in chip_yields(chips, scenario, catalogue).values():
            for estimate in entry.training.values():
                if estimate.evidence == "data sheet only":
                    assert estimate.breakdown["utilisation_ratio"] <= 1.0


def test_a_chip_without_a_bf16_rate_serves_only_and_says_what_is_published(
    baidu: Scenario, catalogue: Catalogue
) -> None:
    found = chip_yields(CHIPS, baidu, catalogue)["kunlun-r200"]
    assert not found.training
    assert "no bf16 rate" in found.missing["training"]
    assert "fp16" in found.missing["training"]
    assert found.serving


def test_holding_more_chips_leaves_every_yield_as_it_was(baidu: Scenario, catalogue: Catalogue) -> None:
    more = tuple(
        dataclasses.replace(item, chips=dataclasses.replace(item.chips, value=3.0 * item.chips.value))
        for item in baidu.stock
    )
    assert chip_yields(CHIPS, dataclasses.replace(baidu, stock=more), catalogue) == chip_yields(CHIPS, baidu, catalogue)


def test_a_run_is_laid_out_on_no_more_than_the_largest_cluster(baidu: Scenario) -> None:
    job = baidu.demand.training[1]
    assert baidu.fleet_use.largest_cluster_chips is not None
    whole = cluster_size(job, 1e15, baidu)
    small = dataclasses.replace(
        baidu,
        fleet_use=dataclasses.replace(
            baidu.fleet_use,
            largest_cluster_chips=dataclasses.replace(baidu.fleet_use.largest_cluster_chips, value=1000.0),
        ),
    )
    assert cluster_size(job, 1e15, small) == 512 < whole <= 20_000
    assert cluster_size(job, 1e18, baidu) == 64


def test_a_level_far_from_what_the_training_model_finds_is_told(baidu: Scenario, catalogue: Catalogue) -> None:
    def told(level: float) -> list[str]:
        mfu = dataclasses.replace(baidu.fleet_use.mfu, value=level, low=level, high=level)
        scenario = dataclasses.replace(baidu, fleet_use=dataclasses.replace(baidu.fleet_use, mfu=mfu))
        chips = {item.chip_id for item in scenario.stock}
        return list(level_warnings(scenario, chip_yields(chips, scenario, catalogue)))

    assert any("above what the training model finds" in line for line in told(0.8))
    assert any("below what the training model finds" in line for line in told(0.05))
    assert not any(line.startswith("ERNIE-next") for line in told(0.4))


def test_the_stated_mix_of_input_and_output_is_the_one_served(catalogue: Catalogue) -> None:
    buyer = load_scenario("buyer-2026", catalogue=catalogue)
    asked = chip_yields(("h20-96",), buyer, catalogue)["h20-96"].serving
    blank = dataclasses.replace(buyer, demand=dataclasses.replace(buyer.demand, input_output_ratio=None))
    default = chip_yields(("h20-96",), blank, catalogue)["h20-96"].serving
    for name, estimate in default.items():
        assert asked[name].value != pytest.approx(estimate.value, rel=1e-3)
        assert "scenario/buyer-2026#demand.input_output_ratio" in asked[name].facts


factors = st.tuples(st.floats(0.1, 10.0), st.floats(0.1, 1.0), st.floats(1.0, 10.0)).map(
    lambda t: (t[0], t[0] * t[1], t[0] * t[2])
)


@given(st.lists(factors, min_size=1, max_size=5))
def test_a_product_is_never_wider_than_its_ends_multiplied_nor_narrower_than_its_widest_factor(
    parts: list[tuple[float, float, float]],
) -> None:
    value, low, high = times(parts)
    worst = 1.0
    for middle, below, _ in parts:
        worst *= below / middle
        assert low / value <= below / middle * (1 + 1e-9)
    assert worst * (1 - 1e-9) <= low / value
    assert low <= value <= high


def test_the_second_asking_reads_and_gives_the_same(
    folder: Path, baidu: Scenario, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = chip_yields(CHIPS, baidu, catalogue)
    assert list(folder.rglob("*.json"))

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("chipwise.serving.carried_by_chip", refuse)
    monkeypatch.setattr("chipwise.planning.yield_answers.laid_out", refuse)
    assert chip_yields(CHIPS, baidu, catalogue) == first


@pytest.mark.parametrize("damage", ["", "{}", "half", "other"])
def test_a_damaged_answer_is_computed_again_and_mended(
    folder: Path, baidu: Scenario, catalogue: Catalogue, damage: str
) -> None:
    first = chip_yields(CHIPS, baidu, catalogue)
    files = sorted(folder.rglob("*.json"))
    good = [path.read_text() for path in files]
    for place, path in enumerate(files):
        if damage == "half":
            path.write_text(good[place][: len(good[place]) // 2])
        elif damage == "other":
            path.write_text(good[place - 1])
        else:
            path.write_text(damage)
    assert chip_yields(CHIPS, baidu, catalogue) == first
    assert [path.read_text() for path in files] == good


def test_a_folder_that_cannot_be_written_only_costs_time(
    tmp_path: Path, baidu: Scenario, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv(content_cache.FOLDER_VARIABLE, str(blocked))
    blind = chip_yields(CHIPS[:1], baidu, catalogue)
    monkeypatch.setenv(content_cache.FOLDER_VARIABLE, "off")
    assert chip_yields(CHIPS[:1], baidu, catalogue) == blind


def test_other_data_other_answers_and_old_states_are_forgotten(folder: Path) -> None:
    for turn in range(content_cache.KEPT_STATES + 3):
        cache = content_cache.ContentCache(folder=folder, stamp=f"state{turn}")
        answer = content_cache.remembered(cache, {"ask": "x"}, lambda turn=turn: {"value": turn / 3.0})
        assert answer == {"value": turn / 3.0}
        again = content_cache.remembered(cache, {"ask": "x"}, lambda: {"value": -1.0})
        assert again == answer
    assert len(list(folder.iterdir())) == content_cache.KEPT_STATES


def test_a_plan_is_the_same_bytes_with_and_without_kept_yields(
    folder: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def text() -> str:
        found = plan("small-startup-2023", draws=1000, with_sensitivity=False, catalogue=catalogue)
        return json.dumps(found.to_dict(), default=str)

    kept = text()
    again = text()
    monkeypatch.setenv(content_cache.FOLDER_VARIABLE, "off")
    assert text() == kept == again


def test_serving_holds_the_targets_in_simulation_and_falls_back_without_them(
    baidu: Scenario, catalogue: Catalogue
) -> None:
    found = chip_yields(("h800-sxm",), baidu, catalogue)["h800-sxm"].serving["small models"]
    assert "simulated" in found.method
    assert "99%" in found.method
    loose = dataclasses.replace(baidu, demand=dataclasses.replace(baidu.demand, tpot_s=None, ttft_s=None))
    bare = chip_yields(("h800-sxm",), loose, catalogue)["h800-sxm"].serving["small models"]
    assert "simulated" not in bare.method
    assert "closed form" in bare.method


def test_a_tighter_target_never_serves_more(baidu: Scenario, catalogue: Catalogue) -> None:
    assert baidu.demand.tpot_s is not None
    rates = []
    for tpot in (0.03, 0.06, 0.2):
        quantity = dataclasses.replace(baidu.demand.tpot_s, value=tpot)
        scenario = dataclasses.replace(baidu, demand=dataclasses.replace(baidu.demand, tpot_s=quantity))
        found = chip_yields(("a800-80-sxm",), scenario, catalogue)["a800-80-sxm"].serving
        rates.append(found["flagship"].value if "flagship" in found else 0.0)
    assert rates[0] <= rates[1] * 1.001
    assert rates[1] <= rates[2] * 1.001
