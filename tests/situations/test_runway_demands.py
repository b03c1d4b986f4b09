"""What an answer about Baidu's reserve of November 2023 must satisfy (runway facts, section 5)."""

from dataclasses import replace

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.planning.runway import runway, runway_of_inputs
from chipwise.planning.runway_inputs import roll_forward, runway_inputs
from chipwise.planning.runway_ranges import FleetLine, InputRange
from chipwise.planning.runway_senses import central_values, evaluate
from chipwise.scenario import load_scenario
from chipwise.validation.runway import relative_error, validate_runway

SENSES = ("programme", "flagship", "squeeze", "wear")


@pytest.fixture(scope="module")
def baidu():
    return load_scenario("baidu-2023")


@pytest.fixture(scope="module")
def inputs(baidu):
    return runway_inputs(baidu, load_catalogue())


@pytest.fixture(scope="module")
def answer(baidu):
    return runway(baidu, draws=100_000)


def central(inputs):
    return {name: float(years) for name, years in evaluate(inputs, central_values(inputs)).items()}


def at(inputs, **values):
    """Central runways with some inputs set."""
    changed = {
        name: replace(getattr(inputs, name), value=value, low=value, high=value) for name, value in values.items()
    }
    return central(replace(inputs, **changed))


def test_1_four_senses_and_the_binding_one_named(answer):
    written = answer.to_dict()
    assert set(SENSES) <= set(written)
    assert written["binding"] == min(SENSES, key=lambda sense: written[sense]["years"])
    for sense in answer.senses:
        assert sense.low <= sense.p10 <= sense.median <= sense.p90 <= sense.high
        assert sense.low < sense.high
        assert sense.drivers


def test_2_central_figures(inputs, baidu):
    found = central(inputs)
    assert found["programme"] == pytest.approx(0.54, abs=0.02)
    assert found["flagship"] == pytest.approx(1.51, abs=0.02)
    assert found["wear"] == pytest.approx(4.35, abs=0.05)
    tripled = runway_inputs(baidu, load_catalogue(), token_growth_per_year=3.0)
    assert central(tripled)["squeeze"] == pytest.approx(3.61, abs=0.04)


@pytest.mark.parametrize(("growth", "programme", "flagship"), [(2.0, 0.84, 2.40), (3.0, 0.54, 1.51), (4.6, 0.40, 1.09)])
def test_2_table_of_growth(inputs, growth, programme, flagship):
    found = at(inputs, growth_per_year=growth)
    assert found["programme"] == pytest.approx(programme, abs=0.01)
    assert found["flagship"] == pytest.approx(flagship, abs=0.01)


def test_2_final_run_share_decides_the_programme(inputs):
    assert at(inputs, growth_per_year=2.0, final_run_share=0.4)["programme"] == pytest.approx(1.47, abs=0.01)
    assert at(inputs, final_run_share=0.1)["programme"] == 0.0


def test_2_all_rows_of_the_cases():
    assert all(abs(relative_error(row["measured"], row["predicted"])) <= 0.01 for row in validate_runway()["rows"])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_3_the_next_flagship_fits_for_a_year_in_two_of_three_draws(baidu, seed):
    assert 0.6 < runway(baidu, draws=50_000, seed=seed).flagship.probability_at_least_one_year < 0.8


@pytest.mark.parametrize(
    ("moved", "shorter", "longer"),
    [
        ("mfu", 0.3, 0.47),
        ("run_days", 60.0, 120.0),
        ("growth_per_year", 4.6, 1.2),
        ("final_run_share", 0.1, 0.4),
        ("token_growth_per_year", 15.0, 2.0),
    ],
)
def test_4_monotone(inputs, moved, shorter, longer):
    less, more = at(inputs, **{moved: shorter}), at(inputs, **{moved: longer})
    assert all(less[sense] <= more[sense] for sense in SENSES)
    assert less != more


def test_4_more_chips_never_shorten(inputs):
    for index, line in enumerate(inputs.fleet):
        doubled = replace(line, chips=replace(line.chips, value=2 * line.chips.value, high=2 * line.chips.high))
        grown = central(replace(inputs, fleet=(*inputs.fleet[:index], doubled, *inputs.fleet[index + 1 :])))
        assert all(grown[sense] >= central(inputs)[sense] for sense in SENSES)
        assert grown["squeeze"] > central(inputs)["squeeze"]


def test_5_flags_what_flips_zero_to_over_a_year(answer):
    flip = next(flip for flip in answer.sensitive if flip.sense == "programme")
    assert flip.shortest_years == 0.0
    assert flip.longest_years > 1.0
    assert any("final-run share" in label for label in flip.inputs)


def test_5_no_flag_where_nothing_flips(inputs):
    settled = replace(inputs.final_run_share, low=0.24, high=0.26)
    runs = tuple(replace(run, flop=replace(run.flop, low=run.flop.value, high=run.flop.value)) for run in inputs.runs)
    assert runway_of_inputs(replace(inputs, final_run_share=settled, runs=runs), draws=1_000).sensitive == ()


def test_6_three_months_later_the_horizon_has_rolled(inputs):
    h20 = load_catalogue().chip("h20-96")

    def line(name, value, unit):
        return InputRange(name=name, label=name, value=value, low=value, high=value, unit=unit, fact=name, source="")

    bought = FleetLine(
        chip_id=h20.id,
        chips=line("chips/h20-96", 6_000.0, ""),
        peak_flops=line("peak/h20-96", h20.rates["bf16"], "FLOP/s"),
        trains=True,
    )
    now = runway_of_inputs(inputs, draws=2_000)
    later = runway_of_inputs(roll_forward(inputs, months=3, added=(bought,)), draws=2_000)
    assert (later.as_of - now.as_of).days == 92
    for before, after in zip(now.senses, later.senses, strict=True):
        assert after.years >= before.years
        assert after.ends_on > before.ends_on
    assert later.programme.years > now.programme.years


def test_6_the_same_scenario_read_three_months_later_keeps_its_training_horizon(baidu, inputs):
    later = runway_inputs(replace(baidu, as_of=baidu.as_of.replace(year=2024, month=2)), load_catalogue())
    for sense in ("programme", "flagship", "wear"):
        assert central(later)[sense] == pytest.approx(central(inputs)[sense])
