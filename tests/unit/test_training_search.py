"""Search over layouts: counts, agreement with brute force, reasons, figures, days."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.cli import train
from chipwise.core.errors import InputError
from chipwise.perf.train.days import days_of, goodput
from chipwise.perf.train.explain import layout_from_text, why_not
from chipwise.perf.train.figure import stacked_bars
from chipwise.perf.train.run import Problem, best_run, problem_of, run_of, search_layouts
from chipwise.perf.train.search import fits, grid, layout_of, links_reach, pareto, seconds_of
from chipwise.perf.train.space import blocks_of, divisors


def problem(model: str = "llama-3-70b", chip: str = "h100-sxm", chips: int = 64, batch: int = 256, **more) -> Problem:
    catalogue = load_catalogue()
    return problem_of(catalogue.chip(chip), catalogue.model(model), catalogue, chips=chips, batch=batch, **more)


def everything(asked: Problem, space: str):
    """Every layout of a space with its time (infinite where it cannot run), one grid a block, nothing struck out."""
    for block in blocks_of(space, asked.shape, asked.chips, asked.batch, float(asked.seq), asked.device):
        values = grid((*block.held, *block.timed))
        layout = layout_of(block, float(asked.seq), values)
        size = max((len(value) for value in values.values()), default=1)
        times = np.broadcast_to(seconds_of(asked.setting, layout), size).copy()
        runs = np.broadcast_to(fits(asked.setting, layout), size) & links_reach(block, asked.device, values)
        times[~runs] = np.inf
        yield block, layout, times / block.batch


@pytest.mark.parametrize(("model", "count"), [("gpt3-175b", 7_126_368), ("megatron-1t", 7_276_848)])
def test_full_space_is_that_of_the_literature(model: str, count: int) -> None:
    asked = problem(model, "a100-80-sxm", 4096, 4096, seq=2048)
    blocks = blocks_of("full", asked.shape, 4096, 4096, 2048.0, asked.device)
    assert sum(block.size for block in blocks) == count


@pytest.mark.parametrize("space", ["practical", "full"])
def test_best_is_that_of_brute_force(space: str) -> None:
    asked = problem("llama-2-7b", "a100-80-sxm", 16, 32, seq=2048)
    found = search_layouts(asked, space=space, top=3)
    every = np.sort(np.concatenate([times for _, _, times in everything(asked, space)]))
    assert found.space == found.evaluated == len(every) == found.pruned + found.feasible
    assert found.feasible == np.isfinite(every).sum()
    ours = [
        time / (layout.dp * layout.mbs * layout.accum)
        for time, layout in zip(found.times_s, found.layouts, strict=True)
    ]
    assert ours == pytest.approx(list(every[:3]))


def test_no_random_layout_of_the_large_space_beats_the_best() -> None:
    asked = problem("gpt3-175b", "a100-80-sxm", 4096, 4096, seq=2048)
    found = search_layouts(asked, space="full", top=1)
    best = found.times_s[0] / 4096.0
    draw, total, seen = np.random.default_rng(0), found.space, 0
    for block, _, _ in itertools.islice(_blocks_only(asked), None):
        picks = draw.binomial(block.size, min(1.0, 50_000 / total))
        place = draw.integers(0, block.size, picks)
        values = {name: value[place] for name, value in _lazy(block).items()}
        layout = layout_of(block, 2048.0, values)
        runs = np.broadcast_to(fits(asked.setting, layout), picks) & links_reach(block, asked.device, values)
        times = np.broadcast_to(seconds_of(asked.setting, layout), picks)[runs] / block.batch
        seen += picks
        assert times.size == 0 or times.min() >= best * (1 - 1e-12)
    assert 45_000 < seen < 55_000


def _blocks_only(asked: Problem):
    for block in blocks_of("full", asked.shape, asked.chips, asked.batch, float(asked.seq), asked.device):
        yield block, None, None


def _lazy(block):
    return grid((*block.held, *block.timed))


def test_every_layout_found_divides_and_fits() -> None:
    asked = problem()
    found = search_layouts(asked, top=50)
    assert list(found.times_s) == sorted(found.times_s)
    for layout in found.layouts:
        assert layout.tp * layout.pp * layout.cp * layout.dp == asked.chips
        assert asked.shape.heads % layout.tp == 0
        assert layout.dp * layout.mbs * layout.accum <= asked.batch
        assert run_of(asked, layout, blank=True).fits


def test_more_memory_never_slows_the_best() -> None:
    small, large = (best_run(problem(chip=chip)) for chip in ("h100-sxm", "h200-sxm"))
    assert small is not None
    assert large is not None
    assert large.step_s.value <= small.step_s.value * 1.1


def test_pareto_keeps_what_nothing_beats() -> None:
    times, held = np.array([1.0, 2.0, 3.0, 2.5]), np.array([9.0, 5.0, 1.0, 6.0])
    assert list(pareto(times, held)) == [0, 1, 2]


def test_why_not_names_what_forbids_and_what_costs() -> None:
    asked = problem()
    best = best_run(asked)
    _, indivisible = why_not(asked, layout_from_text("tp=3", asked), best)
    assert "does not divide" in indivisible[0]
    run, large = why_not(asked, layout_from_text("tp=1,pp=1,mbs=4", asked), best)
    assert run is not None
    assert not run.fits
    assert "more than there is" in large[0]
    _, slow = why_not(asked, layout_from_text("tp=8,pp=8,recompute=1", asked), best)
    assert "slower" in slow[-1]
    assert why_not(asked, best.layout, best)[1] == []


@pytest.mark.parametrize("text", ["tpp=8", "tp=x", "tp=0", "mbs=-1", "zero=nan"])
def test_a_layout_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        layout_from_text(text, problem())


def test_search_command_keeps_its_contract() -> None:
    run = ["search", "--model", "llama-2-7b", "--chip", "a100-80-sxm", "--chips", "8", "--batch", "64", "--json"]
    found = json.loads(CliRunner().invoke(train.app, [*run, "--top", "2", "--layout", "tp=8,mbs=8"]).stdout)
    assert {"space", "evaluated", "pruned", "feasible", "seconds", "layouts"} <= set(found)
    assert found["evaluated"] == found["space"] == found["pruned"] + found["feasible"]
    assert len(found["layouts"]) == 2
    first = found["layouts"][0]
    assert sum(first["time"].values()) == pytest.approx(first["step_time_s"])
    assert sum(first["memory"].values()) == pytest.approx(first["mem_bytes"])
    assert found["why_not"]["reasons"]


def test_nothing_feasible_exits_1() -> None:
    run = ["search", "--model", "gpt3-175b", "--chip", "rtx-4090", "--chips", "8", "--batch", "64"]
    result = CliRunner().invoke(train.app, run)
    assert result.exit_code == 1
    assert "nothing fits" in result.stdout


def test_pareto_front_falls_in_memory(tmp_path: Path) -> None:
    run = ["search", "--model", "llama-2-7b", "--chip", "a100-80-sxm", "--chips", "64", "--batch", "256", "--json"]
    front = json.loads(CliRunner().invoke(train.app, [*run, "--pareto"]).stdout)["layouts"]
    held = [entry["mem_bytes"] for entry in front]
    assert len(front) > 1
    assert held == sorted(held, reverse=True)


def test_figure_holds_every_part(tmp_path: Path) -> None:
    path = tmp_path / "step.svg"
    run = ["estimate", "--model", "llama-2-7b", "--chip", "a100-80-sxm", "--chips", "64", "--svg", str(path)]
    assert CliRunner().invoke(train.app, run).exit_code == 0
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    for name in ("matrix products", "optimizer", "activations", "limit"):
        assert name in text
    assert "&lt;" in stacked_bars({"a<b": ({"x": 1.0}, "s", 0.0)}, title="t")


def test_more_failures_cost_days_and_price_is_linear() -> None:
    run = best_run(problem())
    assert run is not None
    catalogue = load_catalogue()
    found = days_of(run, 1e12, catalogue, usd_per_chip_hour=2.0)
    assert found.cost_usd is not None
    assert found.cost_usd.value == pytest.approx(2.0 * found.chip_hours.value)
    assert found.chip_hours.value == pytest.approx(24.0 * 64 * found.days.value)
    assert found.energy_kwh is not None
    board = run.chip.tdp_w * found.chip_hours.value / 1e3
    assert 0.4 * board < found.energy_kwh.value < 2.0 * board
    assert goodput(1e4, 50.0, 500.0)[1] > goodput(5e3, 50.0, 500.0)[1]


def test_checkpoints_stand_at_the_best_interval() -> None:
    failure, write, restart = 2e4, 60.0, 900.0
    best, _ = goodput(failure, write, restart)

    def lost(interval: float) -> float:
        return write / interval + (interval / 2.0 + restart) / failure

    assert lost(best) <= min(lost(best * factor) for factor in (0.8, 0.9, 1.1, 1.25))


def test_divisors_are_all_of_them() -> None:
    assert divisors(96) == [n for n in range(1, 97) if 96 % n == 0]


def test_two_kinds_of_chip_share_the_layers_by_speed() -> None:
    from chipwise.perf.train.mixed import mixed_run

    fast, slow = problem(chip="h100-sxm", batch=64), problem(chip="a100-80-sxm", batch=64)
    found = mixed_run(fast, slow)
    assert sum(part.layers for part in found.parts) == 80
    per_chip = [part.layers / part.chips for part in found.parts]
    assert per_chip[0] > 1.5 * per_chip[1]
    assert found.step_s.value < best_run(slow).step_s.value
    assert all(part.mem_bytes <= 1.02 * 80e9 for part in found.parts)
    with pytest.raises(InputError):
        mixed_run(fast, problem("llama-2-7b"))


def test_two_equal_kinds_are_one_kind() -> None:
    from chipwise.perf.train.mixed import mixed_run

    found = mixed_run(problem(batch=64), problem(batch=64))
    assert found.parts[0].layers == found.parts[1].layers
    whole = best_run(problem(chips=128, batch=64))
    assert whole is not None
    assert found.step_s.value == pytest.approx(whole.step_s.value, rel=0.35)
