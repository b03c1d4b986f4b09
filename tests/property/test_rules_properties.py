"""What must hold for every case: tightening never frees, unknown is never free, a verdict is constant in a stretch."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.rules import CaseSpec, load_rulebook, verdict_of
from chipwise.rules.decide import decide
from chipwise.rules.items import case_for
from chipwise.rules.objects import UNKNOWN
from chipwise.rules.overlay import apply_overlay
from chipwise.rules.vector import Party, place_among, sweep
from chipwise.rules.vocabulary import BUYERS, CLASSES, LICENCE, OUTCOMES, POLICIES, ROUTES

BOOK = load_rulebook()
CATALOGUE = load_catalogue()
CODES = [row["code"] for row in BOOK.tables["country_groups"]["rows"]]
PLACES = st.sampled_from(
    ["CN", "MO", "AE", "SA", "VN", "IL", "SG", "MY", "US", "RU", "IR", "NI", "KH", "CY", "ET", "LI", *CODES]
)
SEATS = st.one_of(st.just("unknown"), PLACES)
DAYS = st.one_of(st.dates(dt.date(2022, 3, 1), dt.date(2029, 6, 1)), st.sampled_from(BOOK.dates[1:]))
EDGES = st.sampled_from([day + dt.timedelta(days=step) for day in BOOK.dates[1:] for step in (-1, 0)])
FREEDOM = {"NLR": 3, "licence_free_named_party": 3, "exception_no_notification": 2, "exception_with_notification": 1}


def point(values):
    return values.map(lambda value: (value, value))


def spans(numbers):
    return st.one_of(
        st.just(UNKNOWN), point(numbers), st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))
    )


TPP = st.one_of(st.floats(0, 70_000), st.sampled_from([1599.0, 1600.0, 2400.0, 4799.0, 4800.0, 20999.0, 21000.0]))
DENSITY = st.one_of(st.floats(0, 40), st.sampled_from([1.6, 3.2, 5.92]))
RATE = st.one_of(st.floats(0, 9_000), st.sampled_from([600.0, 1028.0, 1100.0, 1400.0, 4000.0, 6500.0]))


@st.composite
def cases(draw, exact=False):
    span = point if exact else spans
    return CaseSpec(
        on=draw(st.one_of(DAYS, EDGES)),
        to=draw(PLACES),
        hq=draw(SEATS),
        item_kind=draw(st.sampled_from(["chip", "chip", "chip", "system", "hbm_stack"])),
        chip_id=draw(st.sampled_from(["", "h100-sxm", "h20-96", "mi308x", "ascend-910b"])),
        vendor=draw(st.sampled_from(["NVIDIA", "AMD", "Intel", "Google", "Huawei", ""])),
        maker_country=draw(st.sampled_from(["US", "US", "US", "", "CN", "CA"])),
        tpp=draw(span(TPP)),
        perf_density=draw(span(DENSITY)),
        mem_bw_density=draw(span(st.floats(0, 9))),
        dram_GBps=draw(span(RATE)),
        io_GBps=draw(span(RATE)),
        data_center_design=draw(st.booleans() if exact else st.sampled_from([True, False, None])),
        available_in_us=draw(st.sampled_from([True, False, None])),
        route=draw(st.sampled_from(ROUTES)),
        buyer=draw(st.sampled_from(BUYERS)),
        buyer_name=draw(st.sampled_from(["", "G42", "Microsoft", "HUMAIN"])),
        listed_ownership_pct=draw(st.sampled_from([None, 0.0, 45.0, 50.0, 60.0])),
    )


def freedom(answer):
    """3 free, 2 and 1 by exception, 0 anything else."""
    return FREEDOM.get(answer.outcome, 0)


@given(cases())
@settings(deadline=None, max_examples=400)
def test_every_answer_uses_the_closed_words(case):
    verdict = verdict_of(case)
    assert verdict.classification in CLASSES
    assert verdict.licence_required in LICENCE
    assert verdict.outcome in OUTCOMES
    assert verdict.review_policy in POLICIES
    assert verdict.party_screening == "not_performed"
    assert (verdict.outcome == "needs_counsel") == bool(verdict.question)
    assert verdict.exit_status in (0, 1, 3)
    if verdict.outcome in ("NLR", "licence_free_named_party"):
        assert verdict.licence_required == "no"


@given(cases(exact=True))
@settings(deadline=None, max_examples=300)
def test_an_unknown_fact_never_becomes_freer_than_its_worst_reading(case):
    known = [case.hq] if case.hq != "unknown" else ["CN", "US"]
    for hidden in (
        replace(case, hq="unknown"),
        replace(case, tpp=UNKNOWN, perf_density=UNKNOWN),
        replace(case, io_GBps=UNKNOWN),
        replace(case, dram_GBps=UNKNOWN),
        replace(case, data_center_design=None),
    ):
        assume(case.buyer_name == "" and case.buyer != "government_agency")
        worst = min(freedom(decide(replace(case, hq=hq), BOOK)) for hq in known)
        assert freedom(decide(hidden, BOOK)) <= worst


@given(cases(exact=True), TPP, DENSITY)
@settings(deadline=None, max_examples=400)
def test_more_compute_or_density_never_loosens(case, tpp, density):
    more = replace(
        case,
        tpp=(max(tpp, case.tpp[0]),) * 2,
        perf_density=(max(density, case.perf_density[0]),) * 2,
    )
    assume(decide(case, BOOK).classification != "prc_3a090_presumed")
    before, after = decide(case, BOOK), decide(more, BOOK)
    assert freedom(after) <= freedom(before)


@given(cases(), st.integers(0, 400))
@settings(deadline=None, max_examples=300)
def test_a_verdict_is_constant_inside_a_stretch(case, shift):
    later = case.on + dt.timedelta(days=shift)
    assume(BOOK.interval(later) == BOOK.interval(case.on))
    assert decide(case, BOOK) == decide(case.at(later), BOOK)


@given(cases(exact=True), st.sampled_from([2400.0, 3000.0, 4000.0]))
@settings(deadline=None, max_examples=80)
def test_a_lower_line_never_frees(case, line):
    lower = _tighter(line)
    assert freedom(decide(case, lower)) <= freedom(decide(case, BOOK))


_BOOKS = {}


def _tighter(line):
    if line not in _BOOKS:
        day = dt.date(2023, 11, 17)
        overlay = {"parameters": {"a_tpp": {day: line}, "exclusion_tpp": {day: line}}}
        _BOOKS[line] = apply_overlay(BOOK, overlay, f"line {line}")
    return _BOOKS[line]


@given(st.sampled_from(sorted(CATALOGUE.systems)), PLACES, SEATS, DAYS)
@settings(deadline=None, max_examples=200)
def test_a_system_is_as_free_as_the_chip_inside_or_left_to_a_person(system, to, hq, day):
    whole = case_for(system, on=day, to=to, hq=hq, rulebook=BOOK, catalogue=CATALOGUE)
    inside = case_for(CATALOGUE.systems[system].chip_id, on=day, to=to, hq=hq, rulebook=BOOK, catalogue=CATALOGUE)
    found, chip = decide(whole, BOOK), decide(inside, BOOK)
    assert freedom(found) <= freedom(chip)
    if whole.data_center_design is inside.data_center_design is True:
        assert found[1:] == chip[1:]
        assert found.classification == {"3a090_a": "4a090_a"}.get(chip.classification, chip.classification)


@given(cases(), st.sampled_from(["h20-96", "h200-sxm", "rtx-5090d-v2", "rtx-pro-6000d"]))
@settings(deadline=None, max_examples=100)
def test_the_chinese_gate_never_changes_the_us_answer(case, chip):
    case = replace(case, to="CN", asked_to="CN", chip_id=chip)
    tables = {**BOOK.tables, "china_gate": {**BOOK.tables["china_gate"], "items": []}}
    from chipwise.rules.rulebook import rulebook_of

    bare = rulebook_of(tables, "no gate")
    assert decide(case, bare) == decide(case, BOOK)
    assert verdict_of(case, bare).china_gate["items"] == []


@given(st.floats(0, 100), st.floats(0, 100), st.lists(st.floats(1, 99), min_size=1, max_size=5, unique=True))
@settings(deadline=None, max_examples=200)
def test_two_figures_in_one_place_compare_alike_with_every_line(first, second, lines):
    lines = sorted(lines)
    if place_among(first, lines) == place_among(second, lines):
        assert all((first >= line) == (second >= line) and (first > line) == (second > line) for line in lines)


@given(
    st.lists(cases(), min_size=1, max_size=6),
    st.lists(st.tuples(PLACES, SEATS, st.sampled_from(ROUTES), st.sampled_from(BUYERS)), min_size=1, max_size=6),
    st.lists(st.one_of(DAYS, EDGES), min_size=1, max_size=5),
)
@settings(deadline=None, max_examples=150)
def test_the_array_path_equals_the_single_path(items, buyers, days):
    parties = [
        Party(to=to, hq=hq, route=route, buyer=buyer, listed_ownership_pct=50.0) for to, hq, route, buyer in buyers
    ]
    found = sweep(items, parties, days, BOOK)
    for i in range(len(items)):
        for j in range(len(parties)):
            for k in range(len(days)):
                assert found.answer_at(i, j, k) == decide(found.case_at(i, j, k), BOOK)[:4]


@given(cases())
@settings(deadline=None, max_examples=120)
def test_every_verdict_can_be_told_in_full(case):
    verdict = verdict_of(case)
    told = verdict.to_dict()
    assert len(told["steps"]) == 11
    assert all(step["reason"] and "{" not in step["reason"] for step in told["steps"])
    assert told["rulebook"] == "shipped"
    for flip in verdict.flips:
        assert flip.outcome in OUTCOMES
    for margin in verdict.margins:
        assert margin.relative_low <= margin.relative_high


def test_the_array_path_equals_the_single_path_for_every_country_and_every_chip_on_chosen_days():
    chips = [
        "h100-sxm",
        "h20-96",
        "l40",
        "rtx-4090",
        "t4",
        "mi308x",
        "ascend-910c",
        "rtx-6000-ada",
        "gaudi2",
        "tpu-v6e",
    ]
    items = [case_for(chip, on=BOOK.dates[1], to="US", hq="US", rulebook=BOOK, catalogue=CATALOGUE) for chip in chips]
    parties = [Party(to=code, hq=hq) for code in (*CODES, "LI") for hq in (code, "CN", "unknown")]
    parties += [Party(to="AE", hq="AE", buyer="named_party", buyer_name=name) for name in ("G42", "g42", "Other")]
    days = [dt.date(2022, 9, 1), dt.date(2023, 9, 1), dt.date(2023, 11, 1), dt.date(2024, 1, 15), dt.date(2025, 3, 1)]
    days += [dt.date(2025, 6, 1), dt.date(2026, 2, 1), dt.date(2026, 8, 1)]
    found = sweep(items, parties, days, BOOK)
    for i in range(len(items)):
        for j in range(len(parties)):
            k = (i + j) % len(days)
            assert found.answer_at(i, j, k) == decide(found.case_at(i, j, k), BOOK)[:4]
    for j in range(len(parties)):
        for k in range(len(days)):
            assert found.answer_at(j % len(items), j, k) == decide(found.case_at(j % len(items), j, k), BOOK)[:4]
