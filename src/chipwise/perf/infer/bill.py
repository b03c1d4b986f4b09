"""Energy and cost of a token, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chipwise.catalogue.rent import rent_of
from chipwise.core.errors import Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf.infer.setup import Setup, cache_bytes_per_chip, weight_bytes_per_chip
from chipwise.perf.power import board_power, node_power

POWER_CLASS = {"fp8": "8-bit", "int8": "8-bit", "fp4": "4-bit"}
"""Width of the arithmetic; weights that are only stored narrow are multiplied in 16 bits."""


def over(numerator: Estimate, denominator: Estimate, factor: float, unit: str, method: str) -> Estimate:
    """A ratio of estimates times a factor; errors independent, so half-widths add in squares of logarithms."""
    value = factor * numerator.value / denominator.value
    up = math.hypot(_up(numerator), _down(denominator))
    down = math.hypot(_down(numerator), _up(denominator))
    return Estimate(
        value=value,
        low=value * math.exp(-down),
        high=value * math.exp(up),
        unit=unit,
        method=method,
        evidence=denominator.evidence,
        facts=(*numerator.facts, *denominator.facts),
    )


def _up(estimate: Estimate) -> float:
    return math.log(estimate.high / estimate.value)


def _down(estimate: Estimate) -> float:
    return math.log(estimate.value / estimate.low)


def power_of_chip(
    setup: Setup, catalogue: Any, *, requests_per_s: float, batch: float, input_tokens: float, output_tokens: float
) -> Estimate | None:
    """One chip with its share of the server, W; None where the chip's limit is not published.

    Parameters
    ----------
    requests_per_s, batch : float
        Of one copy.

    Notes
    -----
    Arithmetic in use is ``2 * active weights * all tokens/s`` over the peak, memory in use the weights and caches of
    every decode step over the bandwidth; the board table turns both into a draw.
    """
    chip, chips = setup.chip, setup.layout.chips
    width = POWER_CLASS.get(setup.precision, "16-bit")
    name = setup.precision if chip.rates.get(setup.precision) else ("bf16" if chip.rates.get("bf16") else "fp16")
    tokens = requests_per_s * (input_tokens + output_tokens)
    compute = 2.0 * setup.model.params_matmul_active * tokens / (chips * chip.rates[name])
    steps = requests_per_s * output_tokens / batch
    held = float(cache_bytes_per_chip(setup, input_tokens + output_tokens / 2.0)) * batch / setup.layout.data
    memory = steps * (weight_bytes_per_chip(setup) + held) / setup.profile.bytes_per_s
    try:
        board = board_power(chip, min(compute, 1.0), min(memory, 1.0), precision=width)
    except Undetermined:
        return None
    server = catalogue.server_of(chip.id)
    count = server.chips if server is not None else 1
    return node_power(chip, server, board, chips=1).scaled(1.0 / count)


def cost_of(chip: str, rate: Estimate, catalogue: Any, usd_per_chip_hour: float | None) -> tuple[Estimate | None, str]:
    """USD per million output tokens at `rate` tokens/s a chip, and a note on the price.

    Parameters
    ----------
    usd_per_chip_hour : float, optional
        Own price; the catalogue's lawful rents otherwise.
    """
    if usd_per_chip_hour is not None:
        low = high = value = usd_per_chip_hour
        note = f"priced at {value:g} USD a chip-hour as stated"
    else:
        rent = rent_of(chip, catalogue)
        if rent is None:
            return None, f"no lawful rent of {chip} in the catalogue: no cost (--usd-per-chip-hour)"
        value, low, high = rent.usd_per_chip_hour, rent.low, rent.high
        note = f"priced at {value:g} USD a chip-hour ({low:g} to {high:g}): {rent.source}"
    hour = Estimate(
        value=value,
        low=low,
        high=high,
        unit="USD/h",
        method="rent of a chip-hour",
        evidence="scenario",
    )
    return over(hour, rate, 1e6 / 3600.0, "USD", "rent of a chip-hour over its output tokens"), note


def cost_of_pools(chips: Mapping[str, int], tokens_per_s: Estimate, catalogue: Any) -> Estimate | None:
    """USD per million output tokens of so many chips of each kind; None where one has no lawful rent."""
    value = low = high = 0.0
    for chip, count in chips.items():
        rent = rent_of(chip, catalogue)
        if rent is None:
            return None
        value, low, high = (
            total + count * rate
            for total, rate in ((value, rent.usd_per_chip_hour), (low, rent.low), (high, rent.high))
        )
    hour = Estimate(value=value, low=low, high=high, unit="USD/h", method="rents of chip-hours", evidence="scenario")
    return over(hour, tokens_per_s, 1e6 / 3600.0, "USD", "rents of the chips used over their output tokens")
