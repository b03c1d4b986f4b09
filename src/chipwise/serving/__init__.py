"""Traces, a simulator of engines and fleets, and how many replicas a load needs."""

from chipwise.perf.step_cost import StepCost, step_cost
from chipwise.serving.chip_load import ChipLoad, carried_by_chip
from chipwise.serving.generate import generate
from chipwise.serving.operation import Autoscale, Operation, Outage
from chipwise.serving.readers import read_trace
from chipwise.serving.replica import Replica, preset
from chipwise.serving.result import SimulationResult
from chipwise.serving.simulation import simulate
from chipwise.serving.sizing import size_fleet
from chipwise.serving.trace import Trace, summary

__all__ = [
    "Autoscale",
    "ChipLoad",
    "Operation",
    "Outage",
    "Replica",
    "SimulationResult",
    "StepCost",
    "Trace",
    "carried_by_chip",
    "generate",
    "preset",
    "read_trace",
    "simulate",
    "size_fleet",
    "step_cost",
    "summary",
]
