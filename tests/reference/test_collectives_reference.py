"""The fast collectives against their slow twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.perf.collectives import collective
from chipwise.perf.topology import Machine, machine
from tests.reference import collectives_slow as slow

SYSTEMS = {"dgx-h100": ("h100-sxm", 450e9, 50e9), "dgx-a100-640": ("a100-80-sxm", 300e9, 25e9)}
NAMES = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")


def built(system: str) -> Machine:
    return machine(system, chips=1024, catalogue=load_catalogue())


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(sorted(SYSTEMS)),
    st.sampled_from(NAMES),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 2, 16, 128]),
    st.floats(2048.0, 1e11),
)
def test_equals_the_slow_twin(system: str, name: str, inside: int, nodes: int, message: float) -> None:
    if inside * nodes == 1:
        return
    fabric, link, rate = SYSTEMS[system]
    expected = slow.two_level(fabric, link, rate, name, inside, nodes, message)
    found = collective(name, built(system), message, inside * nodes, per_domain=inside)
    assert found.time_s == pytest.approx(expected, rel=1e-9)


NVLINK = {"a100-80-sxm": 300e9, "h100-sxm": 450e9, "h200-sxm": 450e9, "b200-sxm": 900e9}
HOPPER = {"h100-sxm": 450e9, "h200-sxm": 450e9}


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(
        [
            ("hgx-h20", HOPPER, 450e9, "switch", 8),
            ("hgx-h800", HOPPER, 200e9, "switch", 8),
            ("mi300x-8", NVLINK, 448e9, "full mesh", 8),
            ("atlas-800t-a2", NVLINK, 196e9, "full mesh", 8),
        ]
    ),
    st.sampled_from(NAMES),
    st.integers(0, 36),
)
def test_equals_the_slow_twin_on_links_nobody_measured(
    case: tuple[str, dict[str, float], float, str, int], name: str, power: int
) -> None:
    system, fabrics, link, shape, group = case
    expected = slow.elsewhere(fabrics, link, shape, name, group, 2.0**power)
    assert collective(name, built(system), 2.0**power, group).time_s == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(SYSTEMS)), st.sampled_from(NAMES), st.integers(0, 2**32 - 1))
def test_arrays_equal_single_calls(system: str, name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    messages = np.exp(random.uniform(0.0, 30.0, 40))
    messages[0] = 0.0
    groups = random.choice([1, 2, 3, 4, 8, 9, 24, 64, 1024], 40)
    whole = collective(name, built(system), messages, groups)
    for index in range(40):
        one = collective(name, built(system), float(messages[index]), int(groups[index]))
        assert np.asarray(whole.time_s)[index] == pytest.approx(one.time_s, rel=1e-12)
        assert np.asarray(whole.low_s)[index] == pytest.approx(one.low_s, rel=1e-12)
        assert np.asarray(whole.high_s)[index] == pytest.approx(one.high_s, rel=1e-12)
        assert np.asarray(whole.bus_bytes_per_s)[index] == pytest.approx(one.bus_bytes_per_s, rel=1e-12)
        assert np.asarray(whole.evidence)[index] == one.evidence


def test_one_group_of_an_array_equals_single_calls() -> None:
    messages = np.geomspace(1, 1e13, 10_001)
    whole = collective("all_reduce", built("dgx-h100"), messages, 64)
    for index in range(0, 10_001, 500):
        one = collective("all_reduce", built("dgx-h100"), float(messages[index]), 64)
        assert np.asarray(whole.time_s)[index] == pytest.approx(one.time_s, rel=1e-12)
