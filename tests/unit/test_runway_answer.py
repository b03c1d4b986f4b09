"""How inputs are read off a scenario, and how the answer is put together."""

import datetime as dt
import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError, ScenarioError, UnknownName
from chipwise.core.json_text import dumps
from chipwise.planning.runway import runway, runway_of_inputs
from chipwise.planning.runway_draws import draw_range, draw_values
from chipwise.planning.runway_inputs import runway_inputs, trains
from chipwise.scenario import load_scenario

DRAWS = 4_000


@pytest.fixture(scope="module")
def baidu():
    return load_scenario("baidu-2023")


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue()


def runs_a_year(inputs):
    return sum(run.runs_per_year * run.flop.value for run in inputs.runs)


def with_jobs(scenario, *jobs):
    return replace(scenario, demand=replace(scenario.demand, training=jobs))


def test_runs_of_the_first_year_and_the_flagship(baidu, catalogue):
    inputs = runway_inputs(baidu, catalogue)
    assert runs_a_year(inputs) == pytest.approx(1.5e25)
    assert inputs.flagship == "run/ERNIE-next"


def test_done_jobs_and_jobs_that_start_later_do_not_count(baidu, catalogue):
    first, second, refreshes = baidu.demand.training
    inputs = runway_inputs(with_jobs(baidu, replace(first, done=True), second, refreshes), catalogue)
    assert runs_a_year(inputs) == pytest.approx(5e24)
    assert inputs.flagship == "run/refreshes"
    late = replace(first, earliest=dt.date(2025, 1, 1), deadline=None)
    assert runs_a_year(runway_inputs(with_jobs(baidu, late), catalogue)) == 0.0


def test_a_job_without_deadline_counts_at_once(baidu, catalogue):
    open_end = replace(baidu.demand.training[1], earliest=None, deadline=None)
    assert runs_a_year(runway_inputs(with_jobs(baidu, open_end), catalogue)) == pytest.approx(3e25)


def test_only_a_later_job_leaves_the_flagship_but_no_programme(baidu):
    answer = runway(with_jobs(baidu, baidu.demand.training[1]), draws=DRAWS)
    assert "falls due within twelve months" in answer.programme.undetermined
    assert answer.flagship.years == pytest.approx(0.511, abs=0.01)  # 3e25 instead of 1e25: a year less


def test_tokens_and_their_growth_follow_the_paths(baidu, catalogue):
    inputs = runway_inputs(baidu, catalogue)
    assert inputs.tokens_per_day.value == pytest.approx(0.08e12)
    assert (inputs.tokens_per_day.low, inputs.tokens_per_day.high) == pytest.approx((0.03e12, 0.15e12))
    assert inputs.token_growth_per_year.value == pytest.approx((1.5 / 0.08) ** 0.5, rel=2e-3)
    assert inputs.token_growth_per_year.high == pytest.approx(100**0.5, rel=2e-3)


def test_chips_without_bf16_serve_only_unless_said_otherwise(baidu, catalogue):
    assert {line.chip_id for line in runway_inputs(baidu, catalogue).fleet if not line.trains} == {"kunlun-r200"}
    assert trains(catalogue.chip("h20-96"))
    chosen = runway_inputs(baidu, catalogue, serving_only=["a100-80-sxm"])
    assert {line.chip_id for line in chosen.fleet if not line.trains} == {"a100-80-sxm"}


def test_peaks_are_dense_and_carry_their_range(baidu, catalogue):
    peaks = {line.chip_id: line.peak_flops for line in runway_inputs(baidu, catalogue).fleet}
    assert peaks["kunlun-r200"].value == 128e12
    assert (peaks["ascend-910b"].low, peaks["ascend-910b"].high) == (280e12, 400e12)
    fleet = sum(
        line.chips.value * line.peak_flops.value for line in runway_inputs(baidu, catalogue).fleet if line.trains
    )
    assert fleet == pytest.approx(2.9652e19, rel=1e-3)


def test_two_lines_of_one_chip_are_drawn_apart_and_work_as_one_cluster(baidu, catalogue):
    h800 = next(item for item in baidu.stock if item.chip_id == "h800-sxm")
    half = replace(h800, chips=replace(h800.chips, value=1e4, low=2_500.0, high=15_000.0))
    others = tuple(item for item in baidu.stock if item.chip_id != "h800-sxm")
    split = replace(baidu, stock=(*others, half, half))
    assert {"chips/h800-sxm", "chips/h800-sxm#2"} <= {entry.name for entry in runway_inputs(split, catalogue).ranges()}
    assert runway(split, draws=DRAWS).flagship.years == pytest.approx(runway(baidu, draws=DRAWS).flagship.years)


def test_one_missing_input_leaves_the_other_senses(baidu):
    answer = runway(replace(baidu, demand=replace(baidu.demand, final_run_share=None)), draws=DRAWS)
    assert not answer.programme.determined
    assert "final_run_share" in answer.programme.undetermined
    assert answer.to_dict()["programme"] == {"years": None, "undetermined": answer.programme.undetermined}
    assert all(sense.determined for sense in (answer.flagship, answer.squeeze, answer.wear))
    assert answer.binding == "flagship"
    assert sum(answer.binding_shares.values()) == pytest.approx(1.0)


def test_nothing_in_stock_is_undetermined_not_zero(baidu):
    answer = runway(replace(baidu, stock=()), draws=DRAWS)
    assert answer.binding is None
    assert all("stock" in sense.undetermined for sense in answer.senses)


def test_a_group_shares_no_cluster():
    answer = runway(load_scenario("giants-2023-08"), draws=DRAWS)
    assert "one owner" in answer.flagship.undetermined
    assert answer.programme.determined


def test_inputs_become_facts(baidu):
    facts = {entry.name: entry.to_fact() for entry in runway(baidu, draws=DRAWS).inputs}
    assert facts["run_days"].status == "assumed"
    assert facts["run_days"].low is None
    assert (facts["mfu"].low, facts["mfu"].high) == (0.30, 0.47)
    assert facts["mfu"].id == baidu.fleet_use.mfu.id


def test_a_runway_that_has_ended_is_known_without_growth():
    answer = runway(load_scenario("small-startup-2023"), draws=DRAWS)
    assert answer.flagship.years == 0.0
    assert answer.flagship.probability_zero > 0.5
    assert answer.flagship.probability_at_least_one_year is None
    assert answer.flagship.high is None
    assert any("growth_per_year" in warning for warning in answer.warnings)


def test_unbounded_runways_are_written_as_inf_and_never_bind(baidu):
    flat = replace(baidu.demand.growth_per_year, value=0.9, low=0.8, high=0.94)
    answer = runway(replace(baidu, demand=replace(baidu.demand, growth_per_year=flat)), draws=DRAWS)
    written = json.loads(dumps(answer.to_dict()))
    assert written["flagship"]["years"] == "inf"
    assert written["flagship"]["ends_on"] is None
    assert answer.binding == "squeeze"
    assert answer.binding_shares["flagship"] == pytest.approx(answer.flagship.probability_zero, abs=0.1)


def test_same_seed_same_answer_and_another_seed_another(baidu):
    first, again, other = (dumps(runway(baidu, draws=DRAWS, seed=seed).to_dict()) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_draws_do_not_depend_on_workers_or_company(baidu, catalogue):
    inputs = runway_inputs(baidu, catalogue)
    entries = [entry for entry in inputs.ranges() if entry.drawn]
    together = draw_values(inputs, DRAWS, 5)
    for workers in (1, 2, 4):
        with ThreadPoolExecutor(workers) as pool:
            drawn = list(pool.map(lambda entry: draw_range(entry, DRAWS, 5), reversed(entries)))
        assert all(
            (values == together[entry.name]).all() for entry, values in zip(reversed(entries), drawn, strict=True)
        )
    assert (draw_range(entries[0], 100, 5) == together[entries[0].name][:100]).all()


def test_draws_stay_in_range_and_follow_the_stated_law(baidu, catalogue):
    for entry in runway_inputs(baidu, catalogue).ranges():
        if entry.drawn:
            values = draw_range(entry, 20_000, 0)
            assert values.min() >= entry.low * (1 - 1e-12)
            assert values.max() <= entry.high * (1 + 1e-12)
            middle = (entry.low * entry.high) ** 0.5 if entry.distribution == "log-uniform" else entry.low + entry.high
            middle = middle if entry.distribution == "log-uniform" else middle / 2
            assert 0.48 < (values < middle).mean() < 0.52
    assert next(e for e in runway_inputs(baidu, catalogue).ranges() if e.name == "mfu").distribution == "uniform"


def test_a_count_that_may_be_zero_is_drawn_uniformly(catalogue):
    inputs = runway_inputs(load_scenario("small-startup-2023"), catalogue)
    assert {line.chips.distribution for line in inputs.fleet} == {"uniform"}


def test_drivers_have_the_right_signs(baidu):
    answer = runway(baidu, draws=50_000)
    rho = {driver.input: driver.rank_correlation for driver in answer.flagship.drivers}
    assert rho["growth_per_year"] < -0.5
    assert rho["run/ERNIE-next"] < -0.45
    assert rho["chips/h800-sxm"] > 0.3
    sizes = [abs(driver.rank_correlation) for driver in answer.programme.drivers]
    assert sizes == sorted(sizes, reverse=True)
    assert {driver.input for driver in answer.programme.drivers[:3]} & {"final_run_share", "run/ERNIE-next"}


def test_evidence_of_later_date_is_warned_of_and_left_out_on_request(baidu):
    late = replace(baidu.demand.final_run_share, ex_post=True, source="Epoch AI 2026-03-23")
    scenario = replace(baidu, demand=replace(baidu.demand, final_run_share=late))
    assert any("2026-03-23" in warning for warning in runway(scenario, draws=DRAWS).warnings)
    then = runway(scenario, draws=DRAWS, known_on=dt.date(2023, 11, 21))
    assert late.id in then.programme.undetermined
    assert then.flagship.determined
    assert runway(scenario, draws=DRAWS, known_on=dt.date(2026, 3, 23)).programme.determined


def test_squeeze_by_serving_yield_stands_beside_the_one_by_flop(baidu):
    everything = {item.chip_id: 400.0 for item in baidu.stock}
    plain = runway(baidu, draws=DRAWS)
    answer = runway(baidu, draws=DRAWS, serving_capacity_tokens_per_s=everything)
    variant = next(variant for variant in answer.squeeze.variants if variant.name == "by serving yield")
    capacity = (0.65 * 51_600 + 20_000) * 400.0 * 86_400.0
    growth = next(entry.value for entry in answer.inputs if entry.name == "token_growth_per_year")
    assert answer.squeeze.years == plain.squeeze.years
    assert variant.years == pytest.approx(math.log(capacity / 0.08e12) / math.log(growth / 0.95))
    assert variant.low < variant.years < variant.high
    del everything["kunlun-r200"]
    fewer = runway(baidu, draws=DRAWS, serving_capacity_tokens_per_s=everything).squeeze.variants[-1]
    assert fewer.years < variant.years
    assert "kunlun-r200" in fewer.note


def test_tokens_growing_like_compute_is_shown_beside_the_paths(baidu):
    variants = {variant.name: variant.years for variant in runway(baidu, draws=DRAWS).squeeze.variants}
    assert variants["tokens grow like compute"] == pytest.approx(3.61, abs=0.04)


def test_spares_and_support_enter_wear(baidu, catalogue):
    inputs = runway_inputs(baidu, catalogue)
    plain = runway_of_inputs(inputs, draws=DRAWS).wear.years
    spared = runway_of_inputs(replace(inputs, spares=500.0), draws=DRAWS).wear
    assert spared.years == pytest.approx(plain + 0.488, abs=0.01)
    assert "chips/h800-sxm" in {entry.name for entry in spared.inputs}
    assert runway_of_inputs(replace(inputs, support_end_years=3.0), draws=DRAWS).wear.years == 3.0


@pytest.mark.parametrize("wrong", [{"draws": 10}, {"draws": 10**8}, {"seed": -1}])
def test_draws_and_seed_out_of_range(baidu, wrong):
    with pytest.raises(InputError, match="allowed"):
        runway(baidu, **wrong)


def test_an_unknown_chip_offers_the_nearest(baidu):
    stock = (replace(baidu.stock[0], chip_id="a100-80-sxn"),)
    with pytest.raises(UnknownName, match="a100-80-sxm"):
        runway(replace(baidu, stock=stock), draws=DRAWS)


@pytest.mark.parametrize(("field", "value"), [("mfu", 1.2), ("mfu", -0.1), ("availability", float("nan"))])
def test_figures_that_cannot_be(baidu, field, value):
    wrong = replace(getattr(baidu.fleet_use, field), value=value, low=value, high=value)
    scenario = replace(baidu, fleet_use=replace(baidu.fleet_use, **{field: wrong}))
    with pytest.raises(ScenarioError, match=field):
        runway(scenario, draws=DRAWS)
