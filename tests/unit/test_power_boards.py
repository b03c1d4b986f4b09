"""Power at load: limits, evidence, servers, energy."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError, Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf.power import PRECISIONS, board_power, node_power, step_energy

shares = st.floats(0.0, 1.0)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["h200-sxm", "b200-sxm", "gb200", "h20-96", "mi300x"]), st.sampled_from(PRECISIONS), shares, shares
)
def test_a_board_stays_within_its_limit_and_works_harder_for_more(
    name: str, precision: str, compute: float, memory: float
) -> None:
    chip = load_catalogue().chip(name)
    here = board_power(chip, compute, memory, precision=precision)
    assert 0 < here.low_w <= here.power_w <= here.high_w <= chip.tdp_w
    assert board_power(chip, 1.0, memory, precision=precision).power_w >= here.power_w
    assert board_power(chip, compute, 1.0, precision=precision).power_w >= here.power_w


def test_measured_chips_have_their_own_figures() -> None:
    catalogue = load_catalogue()
    own, other = (board_power(catalogue.chip(name), 0.3, 0.3) for name in ("h200-sxm", "h20-96"))
    assert (own.evidence, other.evidence) == ("measured on this chip", "data sheet only")
    assert own.power_w / own.low_w < other.power_w / other.low_w


def test_a_large_product_draws_nearly_the_limit() -> None:
    """Half the H200 rows of 16-bit products above 4,096 rows draw 687 W or more of 700."""
    chip = load_catalogue().chip("h200-sxm")
    assert board_power(chip, 0.75, 0.15).power_w >= 0.95 * chip.tdp_w


def test_arrays_equal_single_calls() -> None:
    chip = load_catalogue().chip("b200-sxm")
    load = np.linspace(0, 1, 11)
    whole = board_power(chip, load, 0.2)
    assert np.allclose(whole.power_w, [board_power(chip, share, 0.2).power_w for share in load])


def test_a_server_draws_more_than_its_boards_and_at_most_its_maximum() -> None:
    catalogue = load_catalogue()
    for system in catalogue.systems.values():
        chip = catalogue.chips[system.chip_id]
        if not chip.tdp_w:
            continue
        board = board_power(chip, 1.0, 1.0)
        found = node_power(chip, system, board)
        assert found.value > system.chips * board.power_w
        if system.node_power_w and system.node_power_w > system.chips * chip.tdp_w:
            assert found.value <= system.node_power_w
        assert found.low <= found.value <= found.high


def test_energy_is_power_times_time() -> None:
    catalogue = load_catalogue()
    chip = catalogue.chip("h100-sxm")
    node = node_power(chip, catalogue.server_of(chip.id), board_power(chip, 0.4, 0.3))
    step = Estimate(value=2.0, low=1.5, high=3.0, unit="s", method="", evidence="data sheet only")
    found = step_energy(node, 16, step)
    assert found.value == pytest.approx(node.value * 32)
    assert (found.low, found.high) == pytest.approx((node.low * 24, node.high * 48))
    assert found.unit == "J"
    with pytest.raises(InputError):
        step_energy(step, 16, step)
    with pytest.raises(InputError):
        step_energy(node, 0, step)


def test_unknown_limits_and_bad_shares_are_refused() -> None:
    catalogue = load_catalogue()
    chip = catalogue.chip("h100-sxm")
    with pytest.raises(Undetermined, match="limit"):
        board_power(dataclasses.replace(chip, tdp_w=None), 0.5, 0.5)
    with pytest.raises(InputError):
        board_power(chip, 1.2, 0.5)
    with pytest.raises(InputError):
        board_power(chip, 0.5, np.array([0.1, -0.1]))
    with pytest.raises(InputError):
        board_power(chip, 0.5, 0.5, precision="bf16")
    with pytest.raises(InputError):
        node_power(chip, catalogue.system("mi300x-8"), board_power(chip, 0.5, 0.5))
    with pytest.raises(InputError):
        node_power(chip, None, board_power(chip, 0.5, 0.5))
    assert node_power(chip, None, board_power(chip, 0.5, 0.5), chips=8).value > 0
