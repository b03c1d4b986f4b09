"""Loads in closed form: Little's law, queues, goodput, drafts, host memory, energy and cost."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.rent import rent_of, rental_price
from chipwise.cli.main import build_app
from chipwise.core.errors import InputError, OutsideModelRange, Undetermined
from chipwise.perf.infer.answer import Answer, NotServed
from chipwise.perf.infer.asked_load import LOADS, Asked
from chipwise.perf.infer.compiled import Compiled, compiled
from chipwise.perf.infer.loads import answer_load
from chipwise.perf.infer.open_loop import open_load
from chipwise.perf.infer.operate import most_running, operate, prepared
from chipwise.perf.infer.options import Options, host_bytes_per_s
from chipwise.perf.infer.setup import Layout
from chipwise.perf.infer.versions import host_factor, version_number


def asked(**changes: Any) -> Asked:
    catalogue = load_catalogue()
    base: dict[str, Any] = {
        "chip": catalogue.chip("h100-sxm"),
        "model": catalogue.model("llama-3.1-8b"),
        "load": "closed",
        "chips": 4,
        "input_tokens": 1000.0,
        "output_tokens": 300.0,
        "concurrency": 64.0,
    }
    return Asked(**{**base, **changes})


def answer(**changes: Any) -> Answer:
    found = answer_load(asked(**changes), load_catalogue())
    assert isinstance(found, Answer)
    return found


NUMBERS: dict[str, dict[str, float]] = {"static": {"batch": 16.0}, "open": {"rate": 20.0}}


@pytest.mark.parametrize("load", LOADS)
def test_littles_law_holds_in_every_answer(load: str) -> None:
    found = answer(load=load, **NUMBERS.get(load, {}))
    stay = found.ttft_s.value + found.tpot_s.value * (found.output_tokens - 1.0)
    assert found.latency_s.value == pytest.approx(stay)
    assert found.in_flight == pytest.approx(found.requests_per_s * stay)
    assert found.tpot_with_first_s.value == pytest.approx(stay / found.output_tokens)
    rate = found.output_tokens_per_s_per_chip.value * found.chips
    assert rate == pytest.approx(found.requests_per_s * found.output_tokens)
    if load == "closed":
        assert found.in_flight == pytest.approx(64.0)
    for estimate in (found.tpot_s, found.ttft_s, found.latency_s, found.tpot_with_first_s):
        assert 0 < estimate.low <= estimate.value <= estimate.high


def test_more_in_flight_never_serves_faster_and_waits_for_memory_in_the_end() -> None:
    found = [answer(concurrency=float(n), layout=Layout(), chips=1) for n in (1, 8, 64, 256, 1024)]
    assert np.all(np.diff([f.tpot_s.value for f in found]) >= 0)
    assert np.all(np.diff([f.requests_per_s for f in found]) >= -1e-9)
    assert any("the rest wait" in note for note in found[-1].notes)


def one(model: str = "llama-3.1-8b", chip: str = "h100-sxm", draft: int = 0) -> Compiled:
    catalogue = load_catalogue()
    return compiled(
        catalogue.chip(chip),
        catalogue.model(model),
        (Layout(),),
        precision="16-bit",
        kv_precision="16-bit",
        engine="vllm",
        catalogue=catalogue,
        draft=draft,
    )


def test_open_loop_is_the_closed_loop_seen_from_its_rate() -> None:
    found, options = one(), Options()
    for rate in (0.5, 5.0, 15.0):
        load = open_load(found, options, 0, rate, 800.0, 200.0, most=256.0)
        assert load.in_flight == pytest.approx(rate * (load.ttft_s + load.tpot_s * 199.0))
        assert load.decoding == pytest.approx(rate * 199.0 * load.tpot_s, rel=0.05)
    times = [open_load(found, options, 0, rate, 800.0, 200.0, most=256.0) for rate in (1.0, 5.0, 10.0, 20.0)]
    assert np.all(np.diff([t.tpot_s for t in times]) > 0)
    assert np.all(np.diff([t.ttft_s for t in times]) > 0)
    highest = times[0].highest_rate
    near = open_load(found, options, 0, 0.995 * highest, 800.0, 200.0, most=256.0)
    assert near.ttft_s > 2.0 * times[0].ttft_s
    with pytest.raises(OutsideModelRange, match="no steady state"):
        open_load(found, options, 0, 1.01 * highest, 800.0, 200.0, most=256.0)


def test_open_loop_agrees_with_the_simulator() -> None:
    from chipwise.perf.infer.linear import linear_step
    from chipwise.serving import generate, preset, simulate

    found = one()
    cost = linear_step(found.setup, context_tokens=900.0)
    replica = preset("vllm", kv_tokens=cost.kv_capacity_tokens, token_budget=8192)
    for rate in (4.0, 12.0):
        trace = generate(f"poisson:{rate}:800:200:3000", seed=1)
        ran = simulate(trace, [(cost, replica)])
        load = open_load(found, Options(), 0, rate, 800.0, 200.0, most=256.0, variation=1.0)
        assert load.tpot_s == pytest.approx(float(np.nanmean(ran.tpot_s)), rel=0.15)
        front = found.terms("server").front_s
        assert load.ttft_s - front == pytest.approx(float(np.nanmean(ran.ttft_s)), rel=0.6)


def test_quantiles_and_shares_agree() -> None:
    load = open_load(one(), Options(), 0, 12.0, 2000.0, 100.0, most=256.0)
    for share in (0.5, 0.9, 0.99):
        assert load.within_ttft(load.ttft_quantile_s(share) + 1e-9) >= share - 1e-9
    assert load.within_ttft(1e-4) == 0.0


def test_goodput_falls_as_targets_tighten() -> None:
    shares = [
        good.share
        for target in (0.1, 0.02, 0.008, 0.001)
        if (good := answer(tpot_s=target, ttft_s=1.0).goodput) is not None
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9
    assert shares[-1] < 0.01


def test_targets_under_saturation_take_the_largest_batch_that_meets_them() -> None:
    free, bound = answer(load="saturated"), answer(load="saturated", tpot_s=0.02)
    assert bound.tpot_s.value <= 0.02 < free.tpot_s.value
    assert bound.requests_per_s < free.requests_per_s
    refused = answer_load(asked(load="saturated", tpot_s=1e-4), load_catalogue())
    assert isinstance(refused, NotServed)
    assert "TPOT" in refused.cause


def test_mlperf_takes_its_own_lengths_and_targets() -> None:
    found = answer(load="mlperf-server", input_tokens=None, output_tokens=None)
    assert (found.input_tokens, found.output_tokens) == (870.0, 128.0)
    assert found.tpot_s.value <= 0.1 / 1.2
    fast = answer(load="mlperf-interactive", input_tokens=None, output_tokens=None)
    assert fast.requests_per_s < found.requests_per_s
    with pytest.raises(InputError, match="MLPerf has no offline"):
        answer_load(asked(load="mlperf-offline", model=load_catalogue().model("qwen3-32b")), load_catalogue())


def test_accepted_drafts_shorten_and_refused_ones_lengthen() -> None:
    plain, refused, accepted = (
        answer(options=Options(draft_tokens=k, acceptance=a), layout=Layout(), chips=1, concurrency=4.0)
        for k, a in ((0, 0.0), (3, 0.0), (3, 0.9))
    )
    assert accepted.tpot_s.value < plain.tpot_s.value < refused.tpot_s.value
    ideal = plain.tpot_s.value / Options(draft_tokens=3, acceptance=0.9).tokens_per_step
    assert accepted.tpot_s.value > ideal
    assert Options(draft_tokens=4, acceptance=1.0).tokens_per_step == 5.0


def test_drafted_tokens_read_the_cache_once() -> None:
    plain, drafted = one(), one(draft=3)
    long = (64.0, 8000.0)
    assert float(drafted.decode_attention(0, *long)) < 2.0 * float(plain.decode_attention(0, *long))


def test_weights_on_the_host_make_room_and_cost_their_reading() -> None:
    chip = load_catalogue().chip("rtx-4090")
    found = one(chip="rtx-4090")
    half = Options(weights_on_host=0.5)
    wide = prepared(found, half)
    assert float(wide.room[0]) == pytest.approx(float(found.room[0]) + 0.5 * float(found.weights[0]))
    assert float(most_running(wide, half, 0, 1000.0, 100.0)) > float(most_running(found, Options(), 0, 1000.0, 100.0))
    slow = operate(wide, half, 0, 1.0, 1000.0, 100.0, load="static")
    least = 0.5 * float(found.weights[0]) / host_bytes_per_s(chip)
    assert float(slow.step_s) > least
    assert float(slow.step_s) < least + float(operate(found, Options(), 0, 1.0, 1000.0, 100.0, load="static").step_s)
    bare = dataclasses.replace(chip, pcie_gen=None)
    with pytest.raises(Undetermined, match="PCIe"):
        host_bytes_per_s(bare)


def test_caches_on_the_host_hold_more_requests_more_slowly() -> None:
    found, far = one(chip="rtx-4090"), Options(cache_on_host=0.5)
    kept = prepared(found, far)
    assert float(kept.most_requests(0, 2000.0, 500.0)) == pytest.approx(
        2.0 * float(found.most_requests(0, 2000.0, 500.0))
    )
    near = operate(found, Options(), 0, 8.0, 2000.0, 500.0)
    assert float(operate(kept, far, 0, 8.0, 2000.0, 500.0).tpot_s) > float(near.tpot_s)


def test_versions_change_host_times_where_their_makers_say_so() -> None:
    assert version_number("v0.11.2rc1") == (0, 11, 2)
    with pytest.raises(InputError, match="no version"):
        version_number("latest")
    assert host_factor("vllm", "")[0] == 1.0
    assert host_factor("vllm", "0.5.4")[0] > host_factor("vllm", "0.6.3")[0] > host_factor("vllm", "0.11.0")[0] == 1.0
    assert "no overhead documented" in host_factor("mindie", "1.0")[1]
    old, new = (answer(engine_version=version, concurrency=4.0) for version in ("0.5.0", "0.11.0"))
    assert old.tpot_s.value > new.tpot_s.value


def test_energy_is_power_over_rate_and_stays_below_the_limit_of_a_server() -> None:
    idle, busy = answer(concurrency=1.0, chips=8), answer(load="saturated", chips=8)
    assert idle.power_w is not None
    assert busy.power_w is not None
    assert idle.power_w.value < busy.power_w.value < 2.2 * 700.0
    assert busy.energy_j_per_token is not None
    assert busy.energy_j_per_token.value == pytest.approx(busy.power_w.value / busy.output_tokens_per_s_per_chip.value)
    unknown = dataclasses.replace(load_catalogue().chip("h100-sxm"), tdp_w=None)
    assert answer(chip=unknown).power_w is None


def test_cost_is_the_rent_over_the_rate() -> None:
    found = answer(load="saturated", usd_per_chip_hour=3.6)
    assert found.usd_per_million_tokens is not None
    assert found.usd_per_million_tokens.value == pytest.approx(1000.0 / found.output_tokens_per_s_per_chip.value)
    rent = rent_of("h100-sxm", load_catalogue())
    assert rent is not None
    assert rent.low <= rent.usd_per_chip_hour <= rent.high
    newest = rental_price("h100-sxm", load_catalogue())
    assert newest is not None
    assert newest.date == rent.date
    assert rent_of("h20-96", load_catalogue()) is None
    unpriced = answer(chip=load_catalogue().chip("h20-96"))
    assert unpriced.usd_per_million_tokens is None
    assert any("no lawful rent" in note for note in unpriced.notes)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"load": "nothing"}, "--load"),
        ({"concurrency": None}, "--concurrency"),
        ({"load": "static", "batch": None}, "--batch"),
        ({"load": "open", "rate": None}, "--rate"),
        ({"concurrency": -1.0}, "--concurrency"),
        ({"layout": Layout(tensor=3)}, "--layout"),
        ({"variation": -1.0}, "--variation"),
    ],
)
def test_what_cannot_be_asked_is_named(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(InputError) as caught:
        answer_load(asked(**changes), load_catalogue())
    assert caught.value.place == place


@pytest.mark.parametrize(
    "changes",
    [
        {"draft_tokens": 17},
        {"acceptance": 1.1},
        {"weights_on_host": -0.1},
        {"cache_on_host": 1.0},
        {"memory_share": 1.5},
        {"chunk_tokens": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Options(**changes)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), ["serve", "estimate", "--model", "llama-3.1-8b", "--chip", "l40s", *words])
    return result.exit_code, result.output


def test_the_command_names_loads_and_shows_both_definitions() -> None:
    code, output = run("--load", "closed", "--concurrency", "16", "--tpot-ms", "60")
    assert code == 0
    for text in ("first token included", "in flight", "within the targets", "energy", "note: priced"):
        assert text in output
    code, output = run("--rate", "2", "--json")
    found = json.loads(output)
    assert code == 0
    assert found["load"] == "open"
    assert found["in_flight"] == pytest.approx(found["requests_per_s"] * found["latency_s"]["value"])
    code, output = run("--rate", "5000")
    assert code == 1
    assert "no steady state" in output
    code, output = run("--batch", "1e5")
    assert code == 1
    assert "does not fit" in output
