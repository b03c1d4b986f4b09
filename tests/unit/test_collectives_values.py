"""Collectives: conventions of the tables, evidence, intervals, errors."""

import csv
import math
from importlib import resources

import numpy as np
import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError, Undetermined
from chipwise.perf.collectives import (
    COLLECTIVES,
    CollectiveTime,
    Rung,
    all_gather,
    all_reduce,
    bytes_on_the_wire,
    collective,
    compute_slowdown,
    load_book,
    reduce_scatter,
    send_recv,
)
from chipwise.perf.topology import Machine, machine, mixed_machine

FUNCTIONS = {"all_reduce": all_reduce, "all_gather": all_gather, "reduce_scatter": reduce_scatter}


def built(name: str, chips: int = 8, **changes: object) -> Machine:
    return machine(name, chips=chips, catalogue=load_catalogue(), **changes)  # type: ignore[arg-type]


def tables() -> dict[tuple[str, str, str, str, int], tuple[int, list[float]]]:
    path = resources.files("chipwise") / "data" / "perf" / "collectives" / "curves.csv"
    return {
        (row["fabric"], row["collective"], row["library"], row["payload"], int(row["group"])): (
            int(row["first_log2_bytes"]),
            [float(word) * 1e-6 for word in row["times_us"].split()],
        )
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    }


def test_message_is_the_whole_buffer_in_the_tables() -> None:
    """Read as a shard per rank, the largest messages would need more than the link; read as the whole, none does."""
    book = load_book()
    as_shards = 0
    for (fabric, name, _, _, group), (first, times) in tables().items():
        size, rate = 2.0 ** (first + len(times) - 1), book.fabrics[fabric].bytes_per_s
        if name in ("all_gather", "reduce_scatter", "all_to_all"):
            assert bytes_on_the_wire(name, group) * size / times[-1] <= rate
            as_shards += (group - 1) * size / times[-1] > rate and group == 8
    assert as_shards >= 12


def test_sizes_are_bytes_in_the_tables() -> None:
    """Large messages of 16-bit and 8-bit elements take the same time at equal bytes, not at equal elements."""
    known = tables()
    bytes_apart, elements_apart = [], []
    for (fabric, name, library, payload, group), (first, times) in known.items():
        other = known.get((fabric, name, library, "8-bit", group)) if payload == "16-bit" else None
        if other is None or name == "all_reduce" or library != "nccl":
            continue
        for power in range(24, first + len(times)):
            here, there = times[power - first], other[1]
            if power < other[0] + len(there):
                bytes_apart.append(abs(math.log(here / there[power - other[0]])))
                elements_apart.append(abs(math.log(here / there[power - 1 - other[0]])))
    assert np.median(bytes_apart) < 0.03
    assert np.median(elements_apart) > 0.5


def test_reads_the_table_of_a_measured_fabric() -> None:
    first, times = tables()["h100-sxm", "all_reduce", "nccl", "16-bit", 8]
    found = all_reduce(built("dgx-h100"), 2.0 ** (first + 15), 8)
    assert found.time_s == pytest.approx(times[15], rel=0.02)
    assert found.evidence == Rung.TABLE


@pytest.mark.parametrize(
    ("system", "group", "rung"),
    [
        ("dgx-h100", 8, Rung.TABLE),
        ("dgx-h100", 6, Rung.FABRIC),
        ("hgx-h20", 8, Rung.FAMILY),
        ("dgx-b300", 8, Rung.FAMILY),
        ("mi300x-8", 8, Rung.DATA_SHEET),
        ("vr-nvl72", 8, Rung.DATA_SHEET),
    ],
)
def test_evidence_goes_down_the_ladder(system: str, group: int, rung: Rung) -> None:
    assert all_reduce(built(system), 1e8, group).evidence == rung


def width(found: CollectiveTime) -> float:
    return float(found.high_s) / float(found.low_s)


def test_intervals_widen_down_the_ladder() -> None:
    for size in (1e4, 1e6, 1e8):
        widths = [width(all_reduce(built(one), size, 8)) for one in ("dgx-h100", "hgx-h20", "vr-nvl72", "mi300x-8")]
        assert widths == sorted(widths)
        assert widths[2] > 1.2 * widths[0]


def test_intervals_widen_beyond_the_measured_groups() -> None:
    rack = built("gb200-nvl72", 72)
    widths = [width(all_reduce(rack, 1e8, group)) for group in (4, 8, 16, 72)]
    assert widths == sorted(widths)


def test_one_pair_of_a_mesh_has_a_seventh_of_the_links() -> None:
    """128 of MI300X's 896 GB/s join a pair, both directions added: 64 GB/s one way."""
    found = send_recv(built("mi300x-8"), 1e9)
    assert 20e9 < 1e9 / found.time_s < 64e9
    pair, all_eight = all_gather(built("mi300x-8"), 1e9, 2), all_gather(built("mi300x-8"), 1e9, 8)
    assert pair.bus_bytes_per_s < 0.25 * all_eight.bus_bytes_per_s


def test_every_adapter_of_a_server_works_at_once() -> None:
    """A group over whole servers sends an eighth of the buffer per chip; one member per server sends it all."""
    job = built("dgx-h100", 1024)
    whole, thin = all_reduce(job, 1e9, 1024), all_reduce(job, 1e9, 128, per_domain=1)
    assert whole.time_s < 0.5 * thin.time_s


def test_a_rack_of_72_keeps_a_group_off_the_network() -> None:
    assert all_reduce(built("gb200-nvl72", 144), 1e8, 72).time_s < all_reduce(built("dgx-b200", 144), 1e8, 72).time_s


def test_engines_have_a_faster_small_all_reduce() -> None:
    job = built("dgx-h100")
    assert all_reduce(job, 16384, 8, library="engine").time_s < all_reduce(job, 16384, 8).time_s
    assert (
        all_reduce(job, 16384, 8, library="engine").time_s <= all_reduce(job, 16384, 8, library="engine-median").time_s
    )


def test_mixed_machines_go_at_the_pace_of_the_slower() -> None:
    quick, slow = built("dgx-h100", 8), built("hgx-a800", 8)
    both = mixed_machine([quick, slow])
    assert both.chips == 16
    found = all_reduce(both, 1e9, 16)
    assert found.time_s >= all_reduce(built("hgx-a800", 16), 1e9, 16).time_s * (1 - 1e-12)
    sizes = np.geomspace(1e3, 1e9, 7)
    assert np.asarray(all_reduce(both, sizes, 16).time_s)[-1] == pytest.approx(found.time_s)


def test_a_slowdown_is_a_stated_range() -> None:
    value, low, high = compute_slowdown(1.0)
    assert 1.0 <= low <= value <= high
    assert compute_slowdown(0.0) == (1.0, 1.0, 1.0)
    with pytest.raises(InputError):
        compute_slowdown(1.5)


def test_unknown_network_is_undetermined_only_when_needed() -> None:
    job = built("kunlun-supernode-64", 64)
    assert any("not published" in blank for blank in job.blanks)
    with pytest.raises(Undetermined):
        all_reduce(job, 1e6, 8)
    assert all_reduce(job, 1e6, 1).time_s == 0.0


def test_dgx_without_a_published_network_still_answers_inside_one_server() -> None:
    job = built("trn3-ultra", 288)
    assert all_reduce(job, 1e6, 16).time_s > 0
    with pytest.raises(Undetermined, match="scaleout_bytes_per_s"):
        all_reduce(job, 1e6, 288)
    assert all_reduce(built("trn3-ultra", 288, scaleout_bytes_per_s=50e9), 1e6, 288).time_s > 0


@pytest.mark.parametrize(
    ("message", "group", "options"),
    [
        (-1.0, 8, {}),
        (float("nan"), 8, {}),
        (1.0, 0, {}),
        (1.0, 9, {}),
        (1.0, 8, {"library": "mpi"}),
        (1.0, 8, {"payload": "4-bit"}),
        (1.0, 8, {"per_domain": 9}),
        (np.array([1.0, -1.0]), 8, {}),
        (np.array([1.0, 2.0]), np.array([2.5, 1.0]), {}),
        (np.array([1.0, 2.0]), np.array([0, 1]), {}),
    ],
)
def test_bad_input_is_refused(message: object, group: object, options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        collective("all_reduce", built("dgx-h100"), message, group, **options)  # type: ignore[arg-type]


def test_unknown_collective_is_refused() -> None:
    with pytest.raises(InputError, match="all_reduce"):
        collective("broadcast", built("dgx-h100"), 1.0, 2)


@pytest.mark.parametrize("name", COLLECTIVES)
def test_shapes_are_kept(name: str) -> None:
    sizes = np.geomspace(1e3, 1e9, 6).reshape(2, 3)
    found = collective(name, built("dgx-h100"), sizes, 8)
    assert np.asarray(found.time_s).shape == (2, 3)
    assert np.asarray(collective(name, built("dgx-h100"), [], 8).time_s).shape == (0,)


@pytest.mark.parametrize("fabric", ["a100-80-sxm", "h100-sxm", "h200-sxm", "b200-sxm", "gb200", "l40s"])
def test_a_table_left_out_is_found_again(fabric: str) -> None:
    """Median error over every table of a fabric, each left out in turn: the bar is 20 %."""
    errors = []
    whole = built(fabric)
    for key, (first, times) in tables().items():
        if key[0] != fabric or key[1] == "send_recv" or key[2] != "nccl":
            continue
        rest = load_book().without(lambda other, key=key: (other[0], other[1], other[4]) == (key[0], key[1], key[4]))
        sizes = 2.0 ** np.arange(first, first + len(times))
        found = collective(key[1], whole, sizes, key[4], payload=key[3], book=rest)
        assert np.all(np.asarray(found.evidence) > Rung.TABLE)
        errors.extend(np.abs(np.asarray(found.time_s) / times - 1.0))
    assert np.median(errors) <= 0.20


def test_every_curve_names_a_source_with_its_licence() -> None:
    folder = resources.files("chipwise") / "data" / "perf" / "collectives"
    known = {
        row["source"]: row for row in csv.DictReader((folder / "sources.csv").read_text(encoding="utf-8").splitlines())
    }
    used = {row["source"] for row in csv.DictReader((folder / "curves.csv").read_text(encoding="utf-8").splitlines())}
    assert used == set(known)
    assert all(row["licence"] and row["attribution"] for row in known.values())


def test_the_shipped_curves_cannot_be_written_to() -> None:
    curve = next(iter(load_book().curves.values()))
    with pytest.raises(ValueError, match="read-only"):
        curve[0] = 1.0


def test_published_figures_of_one_server_lie_inside_the_interval() -> None:
    path = resources.files("chipwise") / "data" / "perf" / "collectives" / "anchors.csv"
    rows = [row for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if int(row["group"]) <= 8]
    assert len(rows) >= 7
    for row in rows:
        group, size, name = int(row["group"]), float(row["message_bytes"]), row["collective"]
        found = collective(name, built(row["machine"]), size, group)
        published = bytes_on_the_wire(name, group) * size / (float(row["bus_gbs"]) * 1e9)
        assert found.low_s <= published <= found.high_s, row["machine"]


def test_four_servers_reach_what_was_published() -> None:
    """All-reduce and all-gather of 32 H100 on 400 Gbit/s a chip: 331 and 324 GB/s at 8 GiB."""
    job = built("dgx-h100", 32)
    assert all_reduce(job, 2.0**33, 32).bus_bytes_per_s == pytest.approx(331e9, rel=0.15)
    assert all_gather(job, 2.0**33, 32).bus_bytes_per_s == pytest.approx(324e9, rel=0.15)
