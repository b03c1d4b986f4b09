"""More chips, MFU or days never shorten a runway; faster growth or a lower final-run share never lengthen it."""

import math
from dataclasses import replace
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.planning import _runway_kernels as kernels
from chipwise.planning.runway_inputs import runway_inputs
from chipwise.planning.runway_senses import central_values, evaluate
from chipwise.scenario import load_scenario

shares = st.floats(0.01, 1.0)
growths = st.floats(0.5, 20.0)
attritions = st.floats(0.0, 0.3)
more = st.floats(1.0, 10.0)
flops = st.floats(1e15, 1e21)
ROUNDING = 1e-9


def longer(first, second):
    first, second = float(first), float(second)
    return second == math.inf or second >= first - ROUNDING * (1.0 + abs(first))


@settings(deadline=None)
@given(flops, shares, shares, shares, shares, growths, attritions, more)
def test_programme(fleet, mfu, availability, training_share, final_share, growth, attrition, factor):
    def years(fleet=fleet, mfu=mfu, share=final_share, growth=growth, attrition=attrition):
        supply = kernels.annual_supply_flop(fleet, mfu, availability, training_share)
        return kernels.programme_years(supply, 1.5e25 / share, growth, attrition)

    assert longer(years(), years(fleet=fleet * factor))
    assert longer(years(), years(mfu=mfu * factor))
    assert longer(years(share=final_share / factor), years())
    assert longer(years(growth=growth * factor), years())
    assert longer(years(attrition=min(attrition * factor, 1.0)), years())


@settings(deadline=None)
@given(flops, shares, st.floats(1.0, 365.0), growths, more)
def test_flagship(cluster, mfu, days, growth, factor):
    def years(cluster=cluster, mfu=mfu, days=days, growth=growth, flagship=1e25):
        return kernels.flagship_years(kernels.largest_run_flop(cluster, mfu, 0.9, days), flagship, growth)

    assert longer(years(), years(cluster=cluster * factor))
    assert longer(years(), years(mfu=mfu * factor))
    assert longer(years(), years(days=days * factor))
    assert longer(years(growth=growth * factor), years())
    assert longer(years(flagship=1e25 * factor), years())


@settings(deadline=None)
@given(flops, flops, growths, attritions, more)
def test_squeeze(need, capacity, growth, attrition, factor):
    base = kernels.squeeze_years(need, capacity, growth, attrition)
    assert longer(base, kernels.squeeze_years(need, capacity * factor, growth, attrition))
    assert longer(kernels.squeeze_years(need * factor, capacity, growth, attrition), base)
    assert longer(kernels.squeeze_years(need, capacity, growth * factor, attrition), base)


@settings(deadline=None)
@given(st.floats(1.0, 1e5), st.floats(0.0, 1.0), st.floats(0.1, 1.2), st.floats(0.001, 0.3), st.floats(0.0, 1.0), more)
def test_wear(in_service, spare_share, need_share, attrition, repair_share, factor):
    spares, needed = spare_share * in_service, need_share * in_service
    base = kernels.wear_years(in_service, spares, needed, attrition, repair_share)
    assert longer(base, kernels.wear_years(in_service * factor, spares, needed, attrition, repair_share))
    assert longer(base, kernels.wear_years(in_service, spares * factor, needed, attrition, repair_share))
    assert longer(kernels.wear_years(in_service, spares, needed, min(attrition * factor, 1.0), repair_share), base)
    assert longer(kernels.wear_years(in_service, spares, needed * factor, attrition, repair_share), base)


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["mfu", "run_days", "growth_per_year", "final_run_share", "token_growth_per_year", "chips"]),
    st.floats(1.0, 2.0),
)
def test_whole_answer(moved, factor):
    inputs = _baidu()
    if moved == "chips":
        fleet = tuple(replace(line, chips=_scaled(line.chips, factor)) for line in inputs.fleet)
        changed = replace(inputs, fleet=fleet)
    else:
        changed = replace(inputs, **{moved: _scaled(getattr(inputs, moved), factor)})
    before, after = _years(inputs), _years(changed)
    lengthens = moved in {"mfu", "run_days", "final_run_share", "chips"}
    for sense in before:
        assert longer(before[sense], after[sense]) if lengthens else longer(after[sense], before[sense])


def _scaled(entry, factor):
    return replace(entry, value=entry.value * factor, low=entry.low * factor, high=entry.high * factor)


@cache
def _baidu():
    return runway_inputs(load_scenario("baidu-2023"), load_catalogue())


def _years(inputs):
    return evaluate(inputs, central_values(inputs))
