"""What a user says of a run: software, layout, own measurements, two kinds of chip, several costs at once."""

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.cli import train
from chipwise.core.errors import InfeasiblePlan, InputError
from chipwise.perf.train.asked import SCHEDULES, layout_of_text, stack_of_text
from chipwise.perf.train.explain import layout_from_text
from chipwise.perf.train.front import front, offers, undominated
from chipwise.perf.train.links import GROUPS, gather_shares
from chipwise.perf.train.measures import mfu_by_convention
from chipwise.perf.train.mixed import mixed_run
from chipwise.perf.train.objects import Layout, Stack
from chipwise.perf.train.own import LARGEST_RATIO, OwnRun, corrected, correction
from chipwise.perf.train.run import Problem, best_run, problem_of, run_of
from chipwise.perf.train.step import step_time


def problem(model: str = "llama-2-7b", chip: str = "h100-sxm", chips: int = 8, batch: int = 64, **more) -> Problem:
    catalogue = load_catalogue()
    return problem_of(catalogue.chip(chip), catalogue.model(model), catalogue, chips=chips, batch=batch, **more)


def seconds(layout: Layout, asked: Problem, stack: Stack | None = None) -> float:
    return float(step_time(asked.shape, layout, asked.device, stack or asked.stack, asked.terms).time_s)


def test_every_layout_field_reaches_the_layout() -> None:
    text = (
        "tp=2,pp=2,vpp=2,cp=1,ep=1,etp=1,mbs=2,zero=2,shard=2,sp=0,recompute=0.25,core=1,gradient_bytes=4,"
        "offload_weights=0.1,offload_activations=0.2,offload_optimizer=1,schedule=v-half"
    )
    found = layout_of_text(text, seq=4096, chips=16, batch=64)
    assert (found.tp, found.pp, found.vpp, found.dp, found.accum) == (2, 2, 2, 4, 8)
    assert (found.shard, found.recompute_core, found.offload_optimizer) == (2, 1, 1)
    assert (found.bubble, found.in_flight) == SCHEDULES["v-half"]


@pytest.mark.parametrize(
    "text",
    [
        "tp=1.5",
        "shard=0",
        "offload_optimizer=2",
        "schedule=dual",
        "tp=2,tp=4",
        "tpp=2",
        "zero=4",
        "recompute=nan",
        "tp",
    ],
)
def test_layouts_that_cannot_be_are_refused_with_their_place(text: str) -> None:
    with pytest.raises(InputError) as caught:
        layout_of_text(text, seq=4096, chips=16, batch=64)
    assert caught.value.place.startswith("layout")


def test_what_is_said_of_the_software_and_nothing_else_changes() -> None:
    usual = Stack(element_bits=8.0, flash=3.0)
    found = stack_of_text("class=community,attention=0,routing=natural,experts=padded,power=0.7", usual)
    assert found == dataclasses.replace(usual, community=1.0, flash=0.0, natural=1.0, padded=1.0, power_share=0.7)


@pytest.mark.parametrize("text", ["class=good", "attention=4", "power=0.1", "graphs=0.5", "speed=2", ""])
def test_software_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        stack_of_text(text, Stack())


@pytest.mark.parametrize(
    ("slower", "faster"),
    [
        ({"community": 1.0}, {"community": 0.0}),
        ({"flash": 0.0}, {"flash": 1.0}),
        ({"flash": 2.0}, {"flash": 3.0}),
        ({"power_share": 0.7}, {"power_share": 1.0}),
        ({"age_years": 0.0}, {"age_years": 3.0}),
        ({"graphs": 0.0}, {"graphs": 1.0}),
    ],
)
def test_better_software_is_faster(slower: dict, faster: dict) -> None:
    asked, layout = problem(), Layout(seq=1024.0, dp=8.0, accum=8.0, gradient_bytes=2.0)
    slow, fast = (seconds(layout, asked, dataclasses.replace(asked.stack, **part)) for part in (slower, faster))
    assert slow > fast


def test_experts_of_a_fixed_size_and_even_routing_are_faster_and_block_scales_cost() -> None:
    asked = problem("mixtral-8x7b", chips=8, precision="fp8")
    layout = Layout(seq=4096.0, dp=8.0, ep=8.0, accum=8.0, gradient_bytes=2.0)
    plain = seconds(layout, asked)
    for change in ({"padded": 1.0}, {"natural": 0.0}):
        assert seconds(layout, asked, dataclasses.replace(asked.stack, **change)) < plain
    assert seconds(layout, asked, dataclasses.replace(asked.stack, blocks=1.0)) > plain
    assert problem(precision="mxfp8").stack.blocks == 1.0
    assert problem(precision="fp8").stack.blocks == 0.0


def test_saying_what_the_software_is_narrows_the_interval() -> None:
    open_question, said = problem(), problem(stack="class=tuned")
    layout = layout_from_text("mbs=1", said)
    wide, narrow = (run_of(asked, layout, blank=False).step_s for asked in (open_question, said))
    assert narrow.value == pytest.approx(wide.value)
    assert narrow.high < wide.high
    assert narrow.low > wide.low


def test_adapters_need_less_memory_time_and_counted_work() -> None:
    layout = "mbs=1,zero=1"
    whole, part = problem(), problem(adapter=True)
    full, lora = (run_of(asked, layout_from_text(layout, asked), blank=False) for asked in (whole, part))
    assert lora.memory.total < full.memory.total
    assert lora.step_s.value < full.step_s.value
    assert lora.flop_per_token < full.flop_per_token
    found = best_run(part)
    assert found is not None
    assert found.layout.adapter == 1.0


def test_rings_over_more_nodes_cost_more_and_groups_that_shard_inside_do_not() -> None:
    asked = problem(chips=1024, batch=1024)
    layout = Layout(seq=4096.0, dp=1024.0, shard=1024.0, accum=1.0, gradient_bytes=2.0, bucket=4e7)
    inside = dataclasses.replace(layout, shard=8.0)
    assert seconds(inside, asked) < seconds(layout, asked)
    slow = dataclasses.replace(asked.terms, hop_s=2 * asked.terms.hop_s)
    assert seconds(layout, dataclasses.replace(asked, terms=slow)) > seconds(layout, asked)
    assert seconds(inside, dataclasses.replace(asked, terms=slow)) == pytest.approx(seconds(inside, asked), rel=0.02)


@pytest.mark.parametrize("chip", ["a100-80-sxm", "mi325x", "ascend-910b3", "tpu-v5p", "gb200", "kunlun-r200"])
def test_links_reach_a_share_of_the_data_sheet(chip: str) -> None:
    catalogue = load_catalogue()
    device = problem("llama-2-7b", chip).device
    shares = gather_shares(catalogue.chip(chip), catalogue, int(device.domain), device.link_bytes_per_s)
    assert len(shares) == len(GROUPS)
    assert all(0.0 < share <= 1.0 for share in shares.values())


def test_a_pair_on_a_full_mesh_has_one_link_of_seven() -> None:
    catalogue = load_catalogue()
    mesh = gather_shares(catalogue.chip("mi325x"), catalogue, 8, 448e9)
    assert mesh["gather2"] < mesh["gather8"] / 6.0


def own(ratio: float, model: str = "a") -> OwnRun:
    return OwnRun(model=model, measured_s=ratio, predicted_s=1.0)


def test_own_runs_move_the_estimate_towards_them_and_never_past() -> None:
    one, other, three = (correction(runs, "a") for runs in ([own(1.2)], [own(1.2, "b")], [own(1.2)] * 3))
    assert 1.0 < other.factor < one.factor < three.factor < 1.2
    assert 0.0 < three.narrowing < one.narrowing < other.narrowing < 1.0
    assert math.log(one.factor) == pytest.approx(math.log(1.2) * 2.0 / 3.0)


def test_one_odd_run_counts_little_and_three_that_agree_count_in_full() -> None:
    assert correction([own(3.0)], "a").factor == correction([own(2.0)], "a").factor
    assert correction([own(2.0)] * 3, "a").factor > 1.7
    assert correction([own(1.0), own(1.0), own(3.0)], "a").factor < 1.12


def test_own_runs_that_are_another_thing_are_refused() -> None:
    for measured in (LARGEST_RATIO * 1.01, 1.0 / LARGEST_RATIO / 1.01, 0.0, math.nan):
        with pytest.raises(InputError):
            correction([OwnRun(model="a", measured_s=measured, predicted_s=1.0)], "a")
    with pytest.raises(InputError):
        correction([], "a")


def test_a_corrected_run_keeps_its_parts_together() -> None:
    asked = problem()
    run = run_of(asked, layout_from_text("mbs=1", asked), blank=False)
    found = corrected(run, correction([OwnRun(model="a", measured_s=0.8, predicted_s=1.0)], "a"))
    assert sum(found.step_s.breakdown.values()) == pytest.approx(found.step_s.value)
    assert found.step_s.high / found.step_s.low < run.step_s.high / run.step_s.low
    assert found.tokens_per_s_per_chip.value > run.tokens_per_s_per_chip.value


ROW = {
    "run_id": "mine-1", "source_group": "mine", "source_kind": "own", "framework": "Megatron-LM", "model": "Llama-2-7B",
    "chip_id": "a100-80-sxm", "n_chips": "8", "seq_len": "4096", "precision": "bf16", "tp": "1", "pp": "1", "dp": "8",
    "mbs": "1", "gbs": "64", "recompute": "none", "date_published": "2024-06", "flash_attention": "1",
    "tokens_per_s_per_chip": "2000",
}  # fmt: skip
ASK = ["estimate", "--model", "llama-2-7b", "--chip", "a100-80-sxm", "--chips", "8", "--batch", "64", "--json"]


def written(path: Path, **change: str) -> Path:
    row = {**ROW, **change}
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.DictWriter(stream, list(row))
        out.writeheader()
        out.writerow(row)
    return path


def test_own_runs_from_a_file_reach_the_command(tmp_path: Path) -> None:
    plain = json.loads(CliRunner().invoke(train.app, ASK).stdout)["run"]
    slow = written(tmp_path / "runs.csv")
    found = json.loads(CliRunner().invoke(train.app, [*ASK, "--own", str(slow)]).stdout)["run"]
    assert found["step_time_s"] > plain["step_time_s"]
    assert found["high_s"] / found["low_s"] < plain["high_s"] / plain["low_s"]


@pytest.mark.parametrize("change", [{"tokens_per_s_per_chip": ""}, {"model": "no such model"}, {"tp": "3"}])
def test_own_runs_that_cannot_be_read_name_their_line(tmp_path: Path, change: dict[str, str]) -> None:
    result = CliRunner().invoke(train.app, [*ASK, "--own", str(written(tmp_path / "runs.csv", **change))])
    assert isinstance(result.exception, InputError)
    assert "line 2" in result.exception.place


def test_conventions_differ_by_attention_and_by_what_is_done_again() -> None:
    asked = problem("gpt3-175b", "a100-80-sxm", 64, 64, seq=2048, precision="fp16", stack="attention=0")
    for text, extra in (("tp=8,pp=8,recompute=1", 0.30), ("tp=8,pp=8,core=1", 0.02)):
        run = run_of(asked, layout_from_text(text, asked), blank=False)
        shares = mfu_by_convention(run, asked)
        assert shares["causal"] == pytest.approx(run.mfu.value)
        assert shares["causal"] < shares["full"] < shares["hardware"]
        assert shares["hardware"] / shares["full"] - 1.0 == pytest.approx(extra, abs=0.035)


def test_whole_attention_counts_as_the_paper_counts() -> None:
    asked = problem("gpt3-175b", "a100-80-sxm", 64, 64, seq=2048)
    run = run_of(asked, layout_from_text("tp=8,pp=8", asked), blank=False)
    shares = mfu_by_convention(run, asked)
    h, layers, s, vocab = 12288, 96, 2048, float(asked.shape.vocab)
    paper = 72.0 * layers * h**2 * (1.0 + s / (6.0 * h) + vocab / (12.0 * h * layers))
    assert run.flop_per_token * shares["full"] / shares["causal"] == pytest.approx(paper, rel=0.01)


def test_undominated_rows_agree_with_the_definition() -> None:
    table = np.random.default_rng(3).integers(0, 6, (80, 4)).astype(float)
    kept = set(undominated(table))
    for place, row in enumerate(table):
        beaten = any((other <= row).all() and (other < row).any() for other in table)
        assert (place in kept) <= (not beaten)
    assert {tuple(table[i]) for i in kept} == {
        tuple(row) for row in table if not any((o <= row).all() and (o < row).any() for o in table)
    }


def test_front_over_counts_of_chips_keeps_what_nothing_beats() -> None:
    catalogue = load_catalogue()
    every = [offer for chips in (8, 16) for offer in offers(problem(chips=chips), catalogue, usd_per_chip_hour=2.0)]
    kept = front(every)
    assert {offer.run.chips for offer in kept} == {8, 16}
    fastest, fewest = min(every, key=lambda o: o.s_per_token), min(every, key=lambda o: o.chip_s_per_token)
    assert fastest.s_per_token == kept[0].s_per_token
    assert any(offer.chip_s_per_token == fewest.chip_s_per_token for offer in kept)
    for offer in kept:
        assert offer.usd_per_million_tokens == pytest.approx(offer.chip_s_per_token * 2.0 / 3600.0 * 1e6)


def test_front_is_reachable_and_several_counts_need_it() -> None:
    ask = ["search", "--model", "llama-2-7b", "--chip", "h100-sxm", "--chips", "8,16", "--batch", "64", "--json"]
    found = json.loads(CliRunner().invoke(train.app, [*ask, "--pareto", "--usd-per-chip-hour", "2"]).stdout)
    assert {row["chips"] for row in found["layouts"]} == {8, 16}
    assert all(row["joule_per_token"] > 0 for row in found["layouts"])
    assert isinstance(CliRunner().invoke(train.app, ask).exception, InputError)


def test_two_kinds_of_chip_beat_either_alone_but_not_their_sum() -> None:
    first, second = (problem("llama-3-70b", chip, 64, 256) for chip in ("h800-sxm", "a800-80-sxm"))
    run = mixed_run(first, second)
    alone = [speed for _, speed in run.alone if speed is not None]
    assert max(alone) < run.tokens_per_s.value < sum(alone)
    assert run.tokens_per_s.value == pytest.approx(run.dp * run.accum * first.seq / run.step_s.value)
    assert sum(part.layers for part in run.parts) == 80
    assert run.parts[0].layers > run.parts[1].layers
    assert run.step_s.low < run.step_s.value < run.step_s.high


def test_two_alike_parts_hold_the_same_and_time_like_one_kind() -> None:
    half = problem("llama-3-70b", "h800-sxm", 64, 256)
    run = mixed_run(half, half)
    assert run.parts[0].layers == run.parts[1].layers
    whole = best_run(problem("llama-3-70b", "h800-sxm", 128, 256))
    assert whole is not None
    assert whole.step_s.value <= run.step_s.value <= 1.4 * whole.step_s.value


def test_mixed_runs_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError):
        mixed_run(problem(batch=64), problem(batch=32))
    with pytest.raises(InfeasiblePlan):
        mixed_run(problem("gpt3-175b", chips=1, batch=8), problem("gpt3-175b", "a100-80-sxm", chips=1, batch=8))


def test_mixed_command_says_both_parts(tmp_path: Path) -> None:
    ask = ["mixed", "--model", "llama-2-7b", "--first", "h800-sxm:8", "--second", "a800-80-sxm:8", "--batch", "64"]
    found = json.loads(CliRunner().invoke(train.app, [*ask, "--json"]).stdout)
    assert [part["chip_id"] for part in found["parts"]] == ["h800-sxm", "a800-80-sxm"]
    assert "together" in CliRunner().invoke(train.app, ask).stdout
    bad = CliRunner().invoke(train.app, [*ask[:4], "h800-sxm", *ask[5:]])
    assert isinstance(bad.exception, InputError)


def test_inputs_reach_the_command() -> None:
    plain = json.loads(CliRunner().invoke(train.app, ASK).stdout)
    slow = json.loads(CliRunner().invoke(train.app, [*ASK, "--stack", "class=community,power=0.7"]).stdout)
    lora = json.loads(CliRunner().invoke(train.app, [*ASK, "--tuning", "lora"]).stdout)
    assert slow["run"]["step_time_s"] > plain["run"]["step_time_s"] > lora["run"]["step_time_s"]
    assert set(plain["mfu_by_convention"]) == {"causal", "full", "hardware"}
    assert isinstance(CliRunner().invoke(train.app, [*ASK, "--tuning", "half"]).exception, InputError)
