"""How a fleet is run: pools, outages, autoscaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import InputError
from chipwise.perf.step_cost import StepCost
from chipwise.serving import _layout as at
from chipwise.serving.replica import Replica

Part = tuple[StepCost, Replica]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Replica `replica` is away from `start_s` to `end_s` (repair, maintenance); its work is sent elsewhere."""

    replica: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscale:
    """Start one replica where requests per live replica exceed `load_up`, drain one below `load_down`.

    Parameters
    ----------
    fewest, most : int
        Replicas on at least and at most; `fewest` are on at the start.
    tick_s : float
        Time between two decisions.
    startup_s : float
        From decision to the first request.
    """

    fewest: int = 1
    most: int = 1 << 30
    load_up: float = 64.0
    load_down: float = 16.0
    tick_s: float = 10.0
    startup_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Operation of a fleet.

    Parameters
    ----------
    pools : tuple of int
        0 for replicas of short requests, 1 for long ones, under the router ``length split``.
    threshold_tokens : int
        Input and output tokens above which a request is long.
    weights : tuple of float
        Share of load each replica should carry; speed at full load by default.
    costs : tuple of float
        What a replica costs, for the router ``slo``: the cheapest that meets the target is taken. Chips by default.
    wanted_ttft_s : float
        Target of the router ``slo``.
    """

    pools: tuple[int, ...] = ()
    threshold_tokens: int = 4096
    weights: tuple[float, ...] = ()
    costs: tuple[float, ...] = ()
    wanted_ttft_s: float = 1.0
    outages: tuple[Outage, ...] = ()
    autoscale: Autoscale | None = None

    @property
    def changes(self) -> bool:
        """Whether replicas come and go."""
        return bool(self.outages) or self.autoscale is not None


def control_arrays(fleet: Sequence[Part], router: str, operation: Operation) -> at.Control:
    """What the router starts with.

    Raises
    ------
    InputError
        Pools, weights or costs are not one per replica.
    """
    import numpy as np

    count = len(fleet)
    for name in ("pools", "weights", "costs"):
        given = getattr(operation, name)
        if given and len(given) != count:
            raise InputError(f"{len(given)} {name} for {count} replicas", place=f"Operation.{name}")
    per_token = np.array([prefill_s_per_token(cost, replica) for cost, replica in fleet])
    ci, cf = np.zeros((count, 2), np.int64), np.zeros((count, 5))
    scaler = operation.autoscale
    ci[:, at.STATE] = at.LIVE
    if scaler is not None:
        ci[max(1, scaler.fewest) :, at.STATE] = at.OFF
    ci[:, at.POOL] = operation.pools or 0
    cf[:, at.WEIGHT] = operation.weights or per_token.min() / per_token
    cf[:, at.COST] = operation.costs or [float(cost.chips) for cost, _ in fleet]
    cf[:, at.PREFILL_S] = per_token
    op = np.array([at.ROUTERS.index(router), operation.threshold_tokens, 0, 1, count], np.int64)
    of = np.array([operation.wanted_ttft_s, 0.0, np.inf, 0.0, 0.0])
    if scaler is not None:
        op[at.FEWEST], op[at.MOST] = scaler.fewest, min(scaler.most, count)
        of[1:] = (scaler.tick_s, scaler.load_up, scaler.load_down, scaler.startup_s)
    return at.Control(ci=ci, cf=cf, op=op, of=of)


def prefill_s_per_token(cost: StepCost, replica: Replica) -> float:
    """Time per prompt token of a full step, s."""
    return cost.step_time_s(prefill_tokens=float(replica.token_budget)) / replica.token_budget


def outage_arrays(operation: Operation, count: int) -> tuple[Any, Any]:
    """Times, and (replica, 0 down or 1 up), in time order."""
    import numpy as np

    events = []
    for outage in operation.outages:
        if not 0 <= outage.replica < count or not 0 <= outage.start_s < outage.end_s:
            raise InputError(f"{outage}", place="Operation.outages", allowed=f"replica 0 to {count - 1}, start < end")
        events += [(outage.start_s, outage.replica, 0), (outage.end_s, outage.replica, 1)]
    events.sort()
    times = np.array([event[0] for event in events], dtype=np.float64)
    return times, np.array([event[1:] for event in events], dtype=np.int64).reshape(-1, 2)
