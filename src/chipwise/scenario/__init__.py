"""The scenario, its outlook tree, diff."""

from chipwise.scenario.load import load_scenario, shipped_scenarios
from chipwise.scenario.objects import Quantity, Scenario

__all__ = ["Quantity", "Scenario", "load_scenario", "shipped_scenarios"]
