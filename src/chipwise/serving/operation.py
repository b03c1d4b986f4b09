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
        Pools, weights or costs are not one per replica, or an autoscaler's bounds are out of order.
    """
    import numpy as np

    count = len(fleet)
    _checked(operation.autoscale)
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


def _checked(scaler: Autoscale | None) -> None:
    if scaler is None:
        return
    ordered = 0 <= scaler.load_down < scaler.load_up and scaler.tick_s > 0 and scaler.startup_s >= 0
    if not ordered or not 1 <= scaler.fewest <= scaler.most:
        raise InputError(
            f"{scaler}", place="Autoscale", allowed="1 <= fewest <= most, load_down < load_up, a tick above 0"
        )


def prefill_s_per_token(cost: StepCost, replica: Replica) -> float:
    """Time per prompt token of a full step, s."""
    return cost.step_time_s(prefill_tokens=float(replica.token_budget)) / replica.token_budget


def drawn_failures(
    replicas: int, duration_s: float, between_s: float, repair_s: float, *, seed: int = 0
) -> tuple[Outage, ...]:
    """Failures of each replica on its own: exponential times between them and to repair.

    Parameters
    ----------
    between_s, repair_s : float
        Mean time a replica works, and mean time until it works again, s.
    """
    import numpy as np

    if not (between_s > 0 and repair_s > 0):
        raise InputError(f"{between_s} s between, {repair_s} s to repair", place="failures", allowed="both above 0")
    out = []
    for replica in range(replicas):
        draw = np.random.default_rng((seed, replica))
        now = float(draw.exponential(between_s))
        while now < duration_s:
            end = now + float(draw.exponential(repair_s))
            out.append(Outage(replica=replica, start_s=now, end_s=end))
            now = end + float(draw.exponential(between_s))
    return tuple(out)


def rolling_maintenance(replicas: int, duration_s: float, every_s: float, length_s: float) -> tuple[Outage, ...]:
    """Each replica is away for `length_s` once every `every_s`, one after the other, evenly apart."""
    if not 0 < length_s < every_s:
        raise InputError(f"{length_s} s every {every_s} s", place="maintenance", allowed="0 < length < every")
    out = []
    for replica in range(replicas):
        start = every_s * (replica + 1) / (replicas + 1)
        while start < duration_s:
            out.append(Outage(replica=replica, start_s=start, end_s=start + length_s))
            start += every_s
    return tuple(out)


def merged_outages(outages: Sequence[Outage]) -> tuple[Outage, ...]:
    """The same with those of one replica that touch joined into one."""
    out: list[Outage] = []
    for outage in sorted(outages, key=lambda each: (each.replica, each.start_s)):
        if out and out[-1].replica == outage.replica and outage.start_s <= out[-1].end_s:
            last = out.pop()
            outage = Outage(replica=last.replica, start_s=last.start_s, end_s=max(last.end_s, outage.end_s))
        out.append(outage)
    return tuple(out)


def outage_arrays(operation: Operation, count: int) -> tuple[Any, Any]:
    """Times, and (replica, 0 down or 1 up), in time order."""
    import numpy as np

    events = []
    for outage in merged_outages(operation.outages):
        if not 0 <= outage.replica < count or not 0 <= outage.start_s < outage.end_s:
            raise InputError(f"{outage}", place="Operation.outages", allowed=f"replica 0 to {count - 1}, start < end")
        events += [(outage.start_s, outage.replica, 0), (outage.end_s, outage.replica, 1)]
    events.sort()
    times = np.array([event[0] for event in events], dtype=np.float64)
    return times, np.array([event[1:] for event in events], dtype=np.int64).reshape(-1, 2)
