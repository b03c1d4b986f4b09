"""The engine against a plain second reading of the law."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.rules import CaseSpec, load_rulebook, verdict_of
from chipwise.rules.items import case_for
from tests.reference import rules_twin

PLACES = ["CN", "MO", "AE", "SA", "VN", "IL", "KH", "VE", "RU", "DE", "JP", "SG", "TW", "IN", "NI", "MY"]
FIRST, LAST = dt.date(2022, 8, 26), dt.date(2025, 1, 12)
EDGES = [day + dt.timedelta(days=step) for day in load_rulebook().dates if FIRST < day < LAST for step in (-1, 0)]


def answers(case):
    verdict = verdict_of(case)
    return verdict.licence_required, verdict.outcome, verdict.review_policy


def twin(case):
    return rules_twin.answer(
        case.chip_id,
        case.tpp[0],
        case.perf_density[0],
        case.io_GBps[0],
        case.data_center_design,
        case.to,
        case.hq,
        case.route,
        case.on,
    )


figures = st.sampled_from([0, 1599, 1600, 1601, 2399, 2400, 2401, 4799, 4800, 4801, 15832, 60000])
densities = st.sampled_from([0, 1.59, 1.6, 1.61, 3.19, 3.2, 3.21, 5.91, 5.92, 5.93, 19.4])
rates = st.sampled_from([0, 64, 599, 600, 601, 1028])
days = st.one_of(st.dates(FIRST, LAST), st.sampled_from(EDGES))


@given(
    figures,
    densities,
    rates,
    st.booleans(),
    st.sampled_from(PLACES),
    st.sampled_from(PLACES),
    st.sampled_from(["export_from_us", "reexport", "in_country_transfer"]),
    days,
)
@settings(deadline=None, max_examples=600)
def test_settled_cases_agree_with_the_twin(tpp, density, io, data_center, to, hq, route, day):
    case = CaseSpec(
        on=day,
        to=to,
        hq=hq,
        route=route,
        vendor="NVIDIA",
        maker_country="US",
        tpp=(tpp, tpp),
        perf_density=(density, density),
        io_GBps=(io, io),
        dram_GBps=(900, 900),
        data_center_design=data_center,
        available_in_us=True,
    )
    assert answers(case) == twin(case)


NVIDIA = [
    "a100-80-sxm",
    "a800-80-sxm",
    "h100-sxm",
    "h800-sxm",
    "h20-96",
    "l40s",
    "l40",
    "l20",
    "l4",
    "l2",
    "a30",
    "a10",
    "t4",
    "rtx-4090",
    "rtx-4090d",
    "rtx-3090",
]


@pytest.mark.parametrize("chip", NVIDIA)
def test_catalogue_chips_agree_with_the_twin_at_every_edge(chip):
    rulebook, catalogue = load_rulebook(), load_catalogue()
    base = case_for(chip, on=FIRST, to="CN", hq="CN", rulebook=rulebook, catalogue=catalogue)
    for day in EDGES:
        for to in PLACES:
            for hq in {to, "CN", "US", "DE"}:
                case = replace(base, on=day, to=to, hq=hq, asked_to=to, asked_hq=hq)
                assert answers(case) == twin(case), (day, to, hq)
