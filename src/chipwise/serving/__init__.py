"""Traces, a simulator of engines and fleets, and how many replicas a load needs."""

from chipwise.perf.step_cost import StepCost, step_cost
from chipwise.serving.best_replica import best_replica
from chipwise.serving.chip_load import ChipLoad, carried_by_chip
from chipwise.serving.generate import generate
from chipwise.serving.operation import Autoscale, Operation, Outage
from chipwise.serving.readers import read_trace
from chipwise.serving.replica import Replica, preset
from chipwise.serving.result import SimulationResult
from chipwise.serving.simulation import simulate
from chipwise.serving.sizing import size_fleet
from chipwise.serving.stock import Need, carried_by_stock
from chipwise.serving.trace import Trace, summary
from chipwise.serving.workload import load_workload

__all__ = [
    "Autoscale",
    "ChipLoad",
    "Need",
    "Operation",
    "Outage",
    "Replica",
    "SimulationResult",
    "StepCost",
    "Trace",
    "best_replica",
    "carried_by_chip",
    "carried_by_stock",
    "generate",
    "load_workload",
    "preset",
    "read_trace",
    "simulate",
    "size_fleet",
    "step_cost",
    "summary",
]
