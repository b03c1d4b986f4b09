"""Scenarios made for tests: shipped ones with another horizon, other numbers, another market."""

from __future__ import annotations

import dataclasses
import random

from chipwise.scenario import Scenario
from chipwise.scenario.mutate import quantities, with_values

FIXED = ("paths", "rules_outlook", "token_share", "per_usd")


def with_months(scenario: Scenario, months: int) -> Scenario:
    """The scenario with another horizon."""
    return dataclasses.replace(scenario, horizon=dataclasses.replace(scenario.horizon, months=months))


def drawn(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with every ranged number drawn log-uniformly from its range."""
    rng = random.Random(seed)
    changes = {
        entry.id: entry.low * (entry.high / entry.low) ** rng.random()
        for entry in quantities(scenario)
        if 0.0 < entry.low < entry.high and not any(part in entry.id for part in FIXED)
    }
    return with_values(scenario, changes)


def with_cash(scenario: Scenario, usd: float) -> Scenario:
    """The scenario with another sum of cash on the day of the decision and no loans."""
    assert scenario.finance.cash_usd is not None
    cash = dataclasses.replace(scenario.finance.cash_usd, value=usd, low=usd, high=usd)
    return dataclasses.replace(scenario, finance=dataclasses.replace(scenario.finance, cash_usd=cash, loans=()))
