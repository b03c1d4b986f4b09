"""The search decides its whole space, keeps to targets and memory, and says why not."""

import json
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.rent import rent_of
from chipwise.cli.main import build_app
from chipwise.core.errors import InputError, Undetermined
from chipwise.perf.infer import pools as pools_module
from chipwise.perf.infer.asked import question_of
from chipwise.perf.infer.compiled import KNOTS, compiled
from chipwise.perf.infer.judged import judged
from chipwise.perf.infer.layouts import cannot_be, layout_from_text, layout_text, space
from chipwise.perf.infer.operate import operate
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.pools import decode_pool, matched, prefill_pool, transfers_s, undominated
from chipwise.perf.infer.question import Found, Question
from chipwise.perf.infer.search import CHUNKS, search_setups
from chipwise.perf.infer.setup import Layout

RACE: dict[str, Any] = {
    "chips": 32,
    "input_tokens": 4000.0,
    "output_tokens": 1000.0,
    "tpot_s": 0.03,
    "ttft_s": 2.0,
    "weight_precision": "fp8",
}


def asked(model: str = "qwen3-32b", chip: str | None = "h200-sxm", **changes: Any) -> Question:
    return question_of(model, chip, catalogue=load_catalogue(), **{**RACE, **changes})


def found(**changes: Any) -> Found:
    return search_setups(asked(**changes), top=1000)


def test_every_setup_is_decided_and_keeps_to_targets_memory_and_littles_law() -> None:
    answer = found()
    assert answer.space == answer.evaluated >= answer.pruned + answer.feasible
    assert answer.setups
    for entry in (*answer.setups, *answer.pareto):
        assert entry.tpot_s.value <= 0.03
        assert entry.ttft_s.value <= 2.0
        assert entry.chips_used <= 32
        inside = entry.requests_per_s * (entry.ttft_s.value + entry.tpot_s.value * 999.0)
        assert entry.in_flight == pytest.approx(inside)
        if entry.mode == "aggregated":
            assert entry.in_flight == pytest.approx(entry.pools[0].copies * entry.pools[0].batch)
        assert entry.output_tokens_per_s_per_chip.value == pytest.approx(entry.requests_per_s * 1000.0 / 32)
    rates = [entry.output_tokens_per_s_per_chip.value for entry in answer.setups]
    assert rates == sorted(rates, reverse=True)


def test_the_reference_race_comes_near_the_published_answer() -> None:
    answer = found()
    best = {mode: max(e.output_tokens_per_s_per_chip.value for e in answer.setups if e.mode == mode) for mode in MODES}
    assert best["disaggregated"] > 0.9 * 1449.0
    assert best["aggregated"] > 0.75 * 1368.0
    assert best["disaggregated"] > best["aggregated"]


MODES = ("aggregated", "disaggregated")


def test_no_layout_tried_one_by_one_beats_the_answer() -> None:
    question = asked(mode="aggregated", engine="vllm")
    answer = search_setups(question)
    best = 0.0
    for layout in space(question.model, 32, tensor_limit=8):
        tables = compiled(
            question.chip,
            question.model,
            (layout,),
            precision="fp8",
            kv_precision="16-bit",
            engine="vllm",
            catalogue=load_catalogue(),
        )
        most = float(tables.most_requests(0, 4000.0, 1000.0))
        for batch in KNOTS[min(most, 256.0) >= KNOTS].tolist():
            for chunk in CHUNKS:
                load = operate(tables, Options(chunk_tokens=chunk), 0, batch, 4000.0, 1000.0)
                if float(load.tpot_s) <= 0.03 and float(load.ttft_s) <= 2.0:
                    best = max(best, float(load.output_tokens_per_s) * (32 // layout.chips) / 32)
    assert answer.setups[0].output_tokens_per_s_per_chip.value == pytest.approx(best, rel=0.01)


def test_the_cost_is_the_rent_of_the_chips_used() -> None:
    best = found().setups[0]
    rent = rent_of("h200-sxm", load_catalogue())
    assert rent is not None
    assert best.usd_per_million_tokens is not None
    rate = best.output_tokens_per_s_per_chip.value * best.chips_given
    usd = rent.usd_per_chip_hour * best.chips_used / 3600.0 / rate * 1e6
    assert best.usd_per_million_tokens.value == pytest.approx(usd)
    assert found(chip="h20-96").setups[0].usd_per_million_tokens is None


def test_nothing_known_of_a_chip_is_undetermined_and_no_refusal() -> None:
    with pytest.raises(Undetermined, match="no published dense"):
        found(chip="mi308x", weight_precision="auto")


def test_the_frontier_is_beaten_by_no_setup() -> None:
    answer = found()
    users = [entry.tokens_per_s_per_user for entry in answer.pareto]
    chips = [entry.output_tokens_per_s_per_chip.value for entry in answer.pareto]
    assert users == sorted(users)
    assert chips == sorted(chips, reverse=True)
    for entry in answer.setups:
        rate = entry.output_tokens_per_s_per_chip.value
        beaten = [u >= entry.tokens_per_s_per_user and c >= rate * 0.999 for u, c in zip(users, chips, strict=True)]
        assert any(beaten)


def test_copies_left_out_before_pairing_are_never_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    question = asked("qwen3-30b-a3b", engine="sglang", chips=16)
    tables = compiled(
        question.chip,
        question.model,
        question.layouts(0),
        precision="fp8",
        kv_precision="16-bit",
        engine="sglang",
        catalogue=load_catalogue(),
    )
    lengths = (4000.0, 1000.0)
    sides = prefill_pool(tables, question.options, *lengths), decode_pool(tables, question.options, *lengths)
    sent = transfers_s(tables, tables, 4000.0, 16)

    def best() -> float:
        pools = matched(*sides, 1000.0, sent, chips=16, longest_gap_s=0.03)
        good = pools.fits & (pools.ttft_s <= 2.0)
        return float(pools.rate[good].max())

    pruned = best()
    monkeypatch.setattr(pools_module, "undominated", lambda chips, *_: np.ones(chips.size, dtype=bool))
    assert pruned == pytest.approx(best(), rel=1e-3)


def test_a_cache_takes_its_bytes_over_the_narrower_end() -> None:
    question = asked(engine="vllm")
    tables = compiled(
        question.chip,
        question.model,
        (Layout(), Layout(tensor=4)),
        precision="fp8",
        kv_precision="16-bit",
        engine="vllm",
        catalogue=load_catalogue(),
    )
    network, link = transfers_s(tables, tables, 4000.0, 32), transfers_s(tables, tables, 4000.0, 8)
    moved = 4000.0 * question.model.kv_elems_per_token * 2.0
    assert link[1, 1] == pytest.approx(moved / (4.0 * 450e9))
    assert link[0, 1] == pytest.approx(moved / 450e9)
    assert network[1, 1] == pytest.approx(moved / (4.0 * 50e9 * 0.85), rel=0.02)
    assert (network > link).all()


def test_undominated_is_what_comparing_every_pair_gives() -> None:
    draw = np.random.default_rng(3)
    chips, time, rate = 2.0 ** draw.integers(0, 4, 80), draw.uniform(0, 1, 80), draw.uniform(0, 1, 80)
    kept = undominated(chips, time, rate)
    for i in range(80):
        others = (chips <= chips[i]) & (time <= time[i]) & (rate >= rate[i])
        others[i] = False
        assert kept[i] == (not others.any())


@pytest.mark.parametrize(
    ("model", "chip", "chips", "layout", "cause"),
    [
        ("qwen3-32b", "h200-sxm", 32, "tp=6", "64 attention heads do not divide by tp=6"),
        ("qwen3-32b", "h200-sxm", 4, "tp=8", "one copy takes 8 chips of 4"),
        ("qwen3-32b", "h200-sxm", 32, "tp=16", "beyond the 8 chips"),
        ("qwen3-32b", "h200-sxm", 32, "dp=4", "this model has none"),
        ("deepseek-v3", "h200-sxm", 32, "tp=3,ep=3", "heads do not divide"),
        ("deepseek-v3", "h200-sxm", 32, "tp=4,ep=4", "memory"),
        ("qwen3-32b", "h200-sxm", 32, "tp=8", "% less"),
        ("qwen3-32b", "rtx-4090", 8, "tp=1", "memory"),
    ],
)
def test_why_not_names_the_true_cause(model: str, chip: str, chips: int, layout: str, cause: str) -> None:
    precision = "auto" if chip == "rtx-4090" else "fp8"
    question = asked(model, chip, chips=chips, weight_precision=precision, engine="vllm")
    best = search_setups(question).setups
    answer = judged(question, layout_from_text(layout), best[0] if best else None)
    assert cause in answer["cause"]


def test_why_not_names_the_target_that_is_missed() -> None:
    slow = asked(tpot_s=0.002, mode="aggregated", engine="vllm")
    answer = search_setups(slow)
    assert not answer.setups
    assert all("TPOT" in entry.cause or "memory" in entry.cause for entry in answer.rejected)
    late = asked(ttft_s=0.01, mode="aggregated", engine="vllm")
    assert any("TTFT" in entry.cause for entry in search_setups(late).rejected)


def test_prefill_and_decode_on_chips_of_two_kinds() -> None:
    answer = found(
        model="llama-3.1-70b", chip=None, prefill_chip="h800-sxm", decode_chip="h20-96", weight_precision="auto"
    )
    best = answer.setups[0]
    assert [pool.chip_id for pool in best.pools] == ["h800-sxm", "h20-96"]
    assert best.sent_s is not None
    assert best.sent_s > 0
    fixed = found(
        model="llama-3.1-70b",
        chip=None,
        chips=None,
        prefill_chip="h800-sxm",
        decode_chip="h20-96",
        prefill_chips=8,
        decode_chips=16,
        weight_precision="auto",
    )
    assert all(entry.pools[0].chips <= 8 and entry.pools[1].chips <= 16 for entry in fixed.setups)


def test_drafts_pay_where_they_are_accepted() -> None:
    plain, drafted, refused = (
        found(mode="aggregated", options=Options(draft_tokens=k, acceptance=a)).setups[0]
        for k, a in ((0, 0.0), (2, 0.8), (2, 0.0))
    )
    rates = [entry.output_tokens_per_s_per_chip.value for entry in (refused, plain, drafted)]
    assert rates == sorted(rates)


def test_layouts_read_what_they_write() -> None:
    for layout in space(load_catalogue().model("deepseek-v3"), 16, tensor_limit=8, input_tokens=40_000.0):
        assert layout_from_text(layout_text(layout)) == layout
        assert cannot_be(load_catalogue().model("deepseek-v3"), layout, chips=16, tensor_limit=8) == ""
    with pytest.raises(InputError, match="no part of a layout"):
        layout_from_text("tp=x")
    assert layout_text(Layout()) == "tp=1"


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), ["serve", "search", *words])
    return result.exit_code, result.output


def test_the_command_answers_in_json_and_in_words() -> None:
    words = ("--model", "qwen3-32b", "--chip", "h200", "--chips", "16", "--isl", "2000", "--osl", "500")
    code, output = run(*words, "--tpot-ms", "30", "--top", "3", "--layout", "tp=8", "--json")
    assert code == 0
    answer = json.loads(output)
    assert {"space", "evaluated", "pruned", "feasible", "seconds", "setups", "pareto", "why_not"} <= answer.keys()
    assert len(answer["setups"]) == 3
    assert answer["setups"][0]["pools"][0]["layout"].keys() == {"tp", "dp", "ep", "pp", "cp"}
    code, output = run(*words, "--pareto")
    assert code == 0
    assert "frontier" in output
    code, output = run(*words, "--tpot-ms", "0.5")
    assert code == 1
    assert "TPOT" in output


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("--model", "qwen3-32b", "--chips", "8"), "--chip"),
        (("--model", "qwen3-32b", "--chip", "h200"), "--chips"),
        (("--model", "qwen3-32b", "--chip", "h200", "--chips", "8", "--engine", "nothing"), "--engine"),
        (("--model", "qwen3-32b", "--chip", "h200", "--chips", "8", "--mode", "both"), "--mode"),
        (("--model", "qwen3-32b", "--chip", "h200", "--chips", "8", "--layout", "tp"), "--layout"),
        (("--model", "qwen3-32b", "--chip", "h200", "--chips", "8", "--tpot-ms", "-1"), "--tpot-ms"),
        (("--model", "qwen3-32b", "--chip", "h200", "--chips", "8", "--isl", "0"), "--isl"),
        (("--model", "qwen3-32b", "--chip", "h200", "--chips", "8", "--acceptance", "2"), "acceptance"),
    ],
)
def test_bad_input_is_named(words: tuple[str, ...], place: str) -> None:
    result = CliRunner().invoke(build_app(), ["serve", "search", *words])
    assert isinstance(result.exception, (InputError, SystemExit))
    assert place in str(result.exception) + result.output


def test_engines_that_do_not_divide_a_model_stay_on_one_chip() -> None:
    answer = found(
        model="llama-3.1-8b", chip="l40s", engine="llama.cpp", weight_precision="int4", tpot_s=None, ttft_s=None
    )
    assert {entry.pools[0].layout for entry in answer.setups if entry.mode == "aggregated"} == {Layout()}
    why = judged(asked(engine="llama.cpp"), Layout(tensor=2), None)
    assert "one chip only" in why["cause"]


def test_more_tokens_than_a_model_was_published_for_are_noted() -> None:
    assert asked(input_tokens=60_000.0).notes
    assert not asked(input_tokens=4000.0).notes
    with pytest.raises(InputError, match="tokens"):
        asked(input_tokens=1e8)
