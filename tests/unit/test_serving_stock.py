"""What a chip, a stock and a scenario carry; mixed fleets, spares and limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from chipwise.catalogue import Catalogue
from chipwise.cli.main import build_app
from chipwise.core.errors import InfeasiblePlan, InputError
from chipwise.files.content_cache import FOLDER_VARIABLE
from chipwise.serving import (
    best_replica,
    carried_by_chip,
    generate,
    load_workload,
    read_trace,
    size_fleet,
)
from chipwise.serving.allocation import _programme, served
from chipwise.serving.answer_cache import kept
from chipwise.serving.best_replica import BestReplica
from chipwise.serving.capacity import Target
from chipwise.serving.generate import resampled, scaled, superposed
from chipwise.serving.mixing import mixes
from chipwise.serving.sizing import meets
from chipwise.serving.stock import Need, carried_by_stock
from chipwise.serving.trace import summary

CHAT = generate("poisson:4:700:120:2000", seed=1)


def test_a_chip_carries_more_when_less_is_asked_of_it(catalogue: Catalogue) -> None:
    strict, loose = (
        carried_by_chip(
            "l40s", "llama-3.1-8b", trace=CHAT, slo_ttft_s=ttft, slo_tpot_s=tpot, catalogue=catalogue
        ).tokens_per_s_per_chip
        for ttft, tpot in ((0.5, 0.04), (2.0, 0.1))
    )
    assert strict is not None
    assert loose is not None
    assert strict.value < loose.value
    assert strict.low < strict.value < strict.high


def test_the_rate_said_is_about_the_most_that_holds(catalogue: Catalogue) -> None:
    target = Target(ttft_s=1.0, tpot_s=0.06)
    found = best_replica("l40s", "llama-3.1-8b", CHAT, target, catalogue=catalogue)
    assert isinstance(found, BestReplica)
    own = len(CHAT) / CHAT.duration_s
    less, more = (superposed(CHAT, 4 * found.rate_per_s * part / own, seed=9) for part in (0.9, 1.25))
    assert meets([found.part] * 4, less, target)[0]
    assert not meets([found.part] * 4, more, target)[0]


def test_the_answer_is_kept_until_what_it_rests_on_changes(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    calls: list[int] = []

    def compute() -> dict[str, Any]:
        calls.append(1)
        return {"rate": 2.5}

    for key in (("a", 1.0), ("a", 1.0), ("a", 2.0)):
        assert kept(key, compute) == {"rate": 2.5}
    assert len(calls) == 2
    for path in tmp_path.rglob("*.json"):
        path.write_text("torn")
    kept(("a", 1.0), compute)
    assert len(calls) == 3
    monkeypatch.setenv(FOLDER_VARIABLE, "off")
    kept(("a", 1.0), compute)
    assert len(calls) == 4


def test_a_chip_that_cannot_says_why(catalogue: Catalogue) -> None:
    found = carried_by_chip("t4", "llama-2-70b", trace=CHAT, slo_ttft_s=0.5, slo_tpot_s=0.02, catalogue=catalogue)
    assert not found.feasible
    assert found.why_not
    assert found.to_dict()["tokens_per_s_per_chip"] is None


def test_a_stock_carries_the_sum_of_its_chips(catalogue: Catalogue) -> None:
    options: dict[str, Any] = {"trace": CHAT, "slo_ttft_s": 1.0, "slo_tpot_s": 0.06, "catalogue": catalogue}
    need = [Need(name="chat", model="llama-3.1-8b")]
    alone = [
        carried_by_stock({chip: (100.0, 100.0, 100.0)}, need, **options).tokens_per_day[0]
        for chip in ("l40s", "h20-96")
    ]
    both = carried_by_stock({"l40s": (100.0, 100.0, 100.0), "h20-96": (100.0, 100.0, 100.0)}, need, **options)
    assert both.tokens_per_day[0] == pytest.approx(sum(alone))
    half = carried_by_stock({"l40s": (100.0, 50.0, 200.0)}, need, part=(0.5, 0.4, 0.6), **options)
    assert half.tokens_per_day[0] == pytest.approx(alone[0] / 2)
    assert half.tokens_per_day[1] < half.tokens_per_day[0] < half.tokens_per_day[2]
    assert half.users is None
    with pytest.raises(InfeasiblePlan, match="no chip of the stock serves big"):
        carried_by_stock({"t4": (10.0, 10.0, 10.0)}, [Need(name="big", model="llama-2-70b")], **options)
    with pytest.raises(InputError, match="low <= value"):
        carried_by_stock({"l40s": (10.0, 20.0, 30.0)}, need, **options)


@given(seed=st.integers(0, 10**6), needs=st.integers(1, 3))
@hypothesis_settings(max_examples=60)
def test_giving_chips_to_needs_is_the_linear_programme(seed: int, needs: int) -> None:
    g = np.random.default_rng(seed)
    chips = int(g.integers(1, 6))
    counts, rates = g.random(chips) * 100 + 1, g.random((chips, needs)) * (g.random((chips, needs)) > 0.2)
    rates[0] += 0.1
    shares = g.dirichlet(np.ones(needs) * 3)
    found = served(counts, rates, shares)
    assert found == pytest.approx(_programme(counts, rates, shares), rel=1e-6)
    assert served(counts * 1.5, rates, shares) == pytest.approx(1.5 * found, rel=1e-6)
    assert served(counts, rates * 1.1, shares) >= found


def test_copies_keep_the_bursts_that_speed_would_multiply() -> None:
    azure = read_trace("azure")
    many = [summary(superposed(azure, 8.0, seed=seed)) for seed in range(8)]
    assert many[0]["mean_rate_per_s"] == pytest.approx(8 * 5.53, rel=0.03)
    bursts = summary(azure)["index_of_dispersion_10s"]
    assert np.mean([one["index_of_dispersion_10s"] for one in many]) == pytest.approx(bursts, rel=0.4)
    assert summary(scaled(azure, 8.0))["index_of_dispersion_10s"] > 3 * bursts
    part = superposed(azure, 0.5, seed=1)
    assert len(part) == pytest.approx(len(azure) / 2, rel=0.05)
    whole = superposed(azure, 1.5, seed=1)
    assert set(part.arrival_s.tolist()) <= set(whole.arrival_s.tolist())


def test_loads_with_shared_prefixes_are_sized_too(catalogue: Catalogue) -> None:
    talk = load_workload("sessions:2:300:3:10:400:60", seed=1)
    found = size_fleet("llama-3.1-8b", talk, ["l40s"], slo_ttft_s=1.0, slo_tpot_s=0.06, runs=4, catalogue=catalogue)
    assert found.per_chip["l40s"].good_share >= 0.99


def test_any_spare_may_fail(catalogue: Catalogue) -> None:
    trace = generate("poisson:12:800:150:1500", seed=1)
    found = size_fleet(
        "llama-3.1-8b", trace, ["l40s"], slo_ttft_s=1.0, slo_tpot_s=0.06, spares=1, runs=6, catalogue=catalogue
    )
    fleet = found.per_chip["l40s"]
    (replicas,) = fleet.replicas.values()
    best = best_replica("l40s", "llama-3.1-8b", trace, found.target, catalogue=catalogue)
    assert isinstance(best, BestReplica)
    hits = [meets([best.part] * (replicas - 1), resampled(trace, 900 + k), found.target)[0] for k in range(10)]
    assert sum(hits) >= 9


def test_short_stocks_force_a_mix(catalogue: Catalogue) -> None:
    trace = generate("poisson:60:800:150:3000", seed=1)
    free = size_fleet(
        "llama-3.1-8b", trace, ["l40s", "a100-80-sxm"], slo_ttft_s=1.0, slo_tpot_s=0.06, runs=6, catalogue=catalogue
    )
    limits = {chip: fleet.chips[chip] - 1 for chip, fleet in free.per_chip.items()}
    short = size_fleet(
        "llama-3.1-8b",
        trace,
        list(limits),
        slo_ttft_s=1.0,
        slo_tpot_s=0.06,
        runs=6,
        limits=limits,
        catalogue=catalogue,
    )
    assert not short.per_chip
    assert short.mixed is not None
    assert set(short.mixed.chips) == set(limits)
    assert all(short.mixed.chips[chip] <= limits[chip] for chip in limits)
    with pytest.raises(InfeasiblePlan):
        size_fleet(
            "llama-3.1-8b", trace, ["l40s"], slo_ttft_s=1.0, slo_tpot_s=0.06, limits={"l40s": 1}, catalogue=catalogue
        )


def test_mixes_come_cheapest_first_and_carry_the_peak(catalogue: Catalogue) -> None:
    target = Target(ttft_s=1.0, tpot_s=0.06)
    parts = {}
    for chip in ("l40s", "a100-80-sxm", "h20-96"):
        found = best_replica(chip, "llama-3.1-8b", CHAT, target, catalogue=catalogue)
        assert isinstance(found, BestReplica)
        parts[chip] = found
    costs = []
    for counts in mixes(parts, 60.0, {}, 0, lambda chips: float(sum(chips.values()))):
        assert sum(number * parts[chip].rate_per_s for chip, number in counts.items()) >= 60.0 - 1e-6
        costs.append(sum(number * parts[chip].part[0].chips for chip, number in counts.items()))
    assert costs == sorted(costs)
    assert len(costs) > 20


def test_how_many_users_a_scenario_serves() -> None:
    result = CliRunner().invoke(build_app(), ["serve", "users", "small-startup-2023", "--json"])
    answer = json.loads(result.output)
    assert result.exit_code == 0
    assert answer["users"]["low"] < answer["users"]["value"] < answer["users"]["high"]
    assert "aside for training" in answer["note"]
    more = json.loads(
        CliRunner().invoke(build_app(), ["serve", "users", "small-startup-2023", "--with-training", "--json"]).output
    )
    assert more["users"]["value"] > answer["users"]["value"]
