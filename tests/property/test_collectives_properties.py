"""What must hold on every fabric: more bytes or a slower link never take less, no link carries more than it can."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import Undetermined
from chipwise.perf.collectives import COLLECTIVES, LIBRARIES, PAYLOADS, all_reduce, bytes_on_the_wire, collective
from chipwise.perf.collectives.objects import least_wire
from chipwise.perf.topology import Machine, bandwidth_share, machine

SYSTEMS = (
    "dgx-h100",
    "hgx-h800",
    "gb200-nvl72",
    "mi300x-8",
    "atlas-800t-a2",
    "cloudmatrix-384",
    "l40s-8",
    "4090-8",
    "tpu-v4-pod",
    "trn1-32xl",
    "inf2-48xl",
    "gaudi2-8",
    "atlas-800-9000",
)
sizes = st.floats(1.0, 1e11)
groups = st.sampled_from([2, 3, 4, 5, 8, 11, 12, 16, 48, 64, 72])


def built(name: str, scale: float = 1.0) -> Machine:
    """Up to 144 chips of a system, its links `scale` times as fast; one server where the network is not published."""
    catalogue = load_catalogue()
    system = catalogue.system(name)
    rate = (system.scaleout_bytes_per_s_per_chip or 50e9) * scale
    whole = machine(system, chips=144, catalogue=catalogue, scaleout_bytes_per_s=rate)
    tiers = tuple(
        dataclasses.replace(tier, bytes_per_s=tier.bytes_per_s * (1.0 if tier.kind == "network" else scale))
        for tier in whole.tiers
    )
    return dataclasses.replace(whole, tiers=tiers)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SYSTEMS), st.sampled_from(COLLECTIVES), groups, sizes, st.floats(1.0, 100.0))
def test_time_never_falls_with_bytes(system: str, name: str, group: int, size: float, more: float) -> None:
    here = built(system)
    assert collective(name, here, size * more, group).time_s >= collective(name, here, size, group).time_s


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SYSTEMS), st.sampled_from(COLLECTIVES), groups, sizes, st.floats(1.0, 20.0))
def test_a_slower_link_is_never_faster(system: str, name: str, group: int, size: float, slower: float) -> None:
    quick = collective(name, built(system), size, group).time_s
    assert collective(name, built(system, 1.0 / slower), size, group).time_s >= quick * (1 - 1e-12)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(SYSTEMS),
    st.sampled_from(LIBRARIES),
    st.sampled_from(PAYLOADS),
    groups,
    sizes,
    st.floats(1.0, 20.0),
)
def test_every_library_and_payload_keeps_its_order(
    system: str, library: str, payload: str, group: int, size: float, factor: float
) -> None:
    here, slow = built(system), built(system, 1.0 / factor)
    options = {"library": library, "payload": payload}
    base = all_reduce(here, size, group, **options).time_s
    assert all_reduce(here, size * factor, group, **options).time_s >= base
    assert all_reduce(slow, size, group, **options).time_s >= base * (1 - 1e-12)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(SYSTEMS), st.sampled_from(COLLECTIVES), st.sampled_from([2, 3, 4, 8, 12, 48]), sizes)
def test_no_link_carries_more_than_its_data_sheet(system: str, name: str, group: int, size: float) -> None:
    here = built(system)
    group = min(group, here.domain_chips)
    found = collective(name, here, size, group)
    tier = here.tiers[0]
    rate = tier.bytes_per_s * bandwidth_share(tier.shape, tier.chips, group, name)
    assert found.time_s >= least_wire(name, group, tier.shape) * size / rate * (1 - 1e-12)
    assert found.low_s >= least_wire(name, group, tier.shape) * size / rate * (1 - 1e-12)
    assert found.low_s <= found.time_s <= found.high_s


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(SYSTEMS), st.sampled_from(COLLECTIVES), groups, st.integers(0, 40))
def test_no_step_at_the_edge_of_a_table(system: str, name: str, group: int, power: int) -> None:
    here = built(system)
    edge = 2.0**power
    below, at, above = (collective(name, here, edge * (1 + step), group).time_s for step in (-1e-9, 0.0, 1e-9))
    assert below == pytest.approx(at, rel=1e-6)
    assert above == pytest.approx(at, rel=1e-6)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(SYSTEMS), st.sampled_from(COLLECTIVES), sizes)
def test_a_group_of_one_costs_nothing(system: str, name: str, size: float) -> None:
    found = collective(name, built(system), size, 1)
    assert (found.time_s, found.low_s, found.high_s, found.bus_bytes_per_s) == (0.0, 0.0, 0.0, 0.0)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(COLLECTIVES), st.sampled_from([2, 4, 8]), sizes)
def test_one_tier_is_flat(name: str, group: int, size: float) -> None:
    alone = machine("dgx-h100", chips=8, catalogue=load_catalogue())
    amid = machine("dgx-h100", chips=1024, catalogue=load_catalogue())
    assert len(alone.tiers) == 1
    assert collective(name, alone, size, group) == collective(name, amid, size, group)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["full mesh", "ring", "2D torus", "3D torus"]),
    st.sampled_from(COLLECTIVES),
    st.integers(2, 16),
    sizes,
)
def test_no_layout_beats_a_switch(shape: str, name: str, group: int, size: float) -> None:
    switched = machine("mi300x-8", chips=16, catalogue=load_catalogue(), shape="switch", domain_chips=16)
    joined = machine("mi300x-8", chips=16, catalogue=load_catalogue(), shape=shape, domain_chips=16)
    assert collective(name, joined, size, group).time_s >= collective(name, switched, size, group).time_s * (1 - 1e-12)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(SYSTEMS), groups, sizes)
def test_a_gather_is_no_longer_than_an_all_reduce_on_the_network(system: str, nodes: int, size: float) -> None:
    here = built(system)
    last = here.tiers[-1]
    if last.kind != "network" or nodes * here.domain_chips > here.chips:
        return
    gather = collective("all_gather", here, size, nodes, per_domain=1).time_s
    assert gather <= all_reduce(here, size, nodes, per_domain=1).time_s


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(SYSTEMS), groups, st.floats(1.0, 8.0))
def test_oversubscription_never_helps(system: str, group: int, factor: float) -> None:
    messages = np.geomspace(1e3, 1e10, 20)
    plain = machine(system, chips=144, catalogue=load_catalogue(), scaleout_bytes_per_s=25e9)
    narrow = machine(system, chips=144, catalogue=load_catalogue(), scaleout_bytes_per_s=25e9, oversubscription=factor)
    assert np.all(
        np.asarray(all_reduce(narrow, messages, group).time_s) >= np.asarray(all_reduce(plain, messages, group).time_s)
    )


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(COLLECTIVES), st.floats(1.5, 4096.0))
def test_bytes_on_the_wire(name: str, group: float) -> None:
    once = bytes_on_the_wire("all_gather", group)
    expected = {"send_recv": 1.0, "all_reduce": 2 * once}.get(name, once)
    assert bytes_on_the_wire(name, group) == expected
    assert 0.0 < once < 1.0


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_system_answers_or_says_what_is_missing(library: str) -> None:
    catalogue = load_catalogue()
    answered, undetermined = 0, []
    for system in catalogue.systems.values():
        whole = machine(system, chips=2 * system.chips, catalogue=catalogue)
        for name in COLLECTIVES:
            for group in (2, system.chips, 2 * system.chips):
                try:
                    found = collective(name, whole, 1e7, group, library=library)
                except Undetermined:
                    undetermined.append(whole)
                    continue
                answered += 1
                assert 0.0 <= found.low_s <= found.time_s <= found.high_s < np.inf
                assert group == 1 or found.time_s > 0.0
    assert answered > 400
    assert all(whole.blanks for whole in undetermined)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["h100-sxm", "b200-sxm", "a100-80-sxm", "l40s", "h20-96", "rtx-pro-6000-server"]),
    st.sampled_from(COLLECTIVES),
    st.sampled_from(LIBRARIES),
    st.sampled_from([2, 4, 8]),
    st.floats(1.0, 1e9),
    st.floats(1.0, 50.0),
)
def test_a_large_message_in_one_server_is_never_dearer_by_the_byte(
    chip: str, name: str, library: str, group: int, size: float, more: float
) -> None:
    here = machine(chip, chips=8, catalogue=load_catalogue())
    first = collective(name, here, size, group, library=library).time_s
    assert collective(name, here, size * more, group, library=library).time_s <= more * first * (1 + 1e-9)
