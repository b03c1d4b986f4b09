"""The collectives again, slowly: plain Python, one message at a time, straight from the shipped tables."""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib import resources
from itertools import pairwise

TABLES = resources.files("chipwise") / "data" / "perf" / "collectives"


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((TABLES / name).read_text(encoding="utf-8").splitlines()))


@cache
def constant(name: str) -> float:
    return next(float(row["value"]) for row in rows("constants.csv") if row["id"] == name)


@cache
def points(fabric: str, name: str, library: str, payload: str, group: int) -> tuple[tuple[float, float], ...]:
    """(bytes, seconds) of one table, smoothed so that a larger message is never faster."""
    wanted = (fabric, name, library, payload, str(group))
    row = next(
        row
        for row in rows("curves.csv")
        if (row["fabric"], row["collective"], row["library"], row["payload"], row["group"]) == wanted
    )
    times = [float(word) * 1e-6 for word in row["times_us"].split()]
    first = int(row["first_log2_bytes"])
    smooth = [(max(times[: i + 1]) + min(times[i:])) / 2.0 for i in range(len(times))]
    return tuple((2.0 ** (first + i), time) for i, time in enumerate(smooth))


def on_curve(curve: tuple[tuple[float, float], ...], message: float) -> float:
    """Constant below, straight lines between, the last rate beyond."""
    if message <= curve[0][0]:
        return curve[0][1]
    for (x0, y0), (x1, y1) in pairwise(curve):
        if message <= x1:
            return y0 + (y1 - y0) * (message - x0) / (x1 - x0)
    (x0, y0), (x1, y1) = curve[-2], curve[-1]
    return y1 + (y1 - y0) / (x1 - x0) * (message - x1)


def wire(name: str, n: float) -> float:
    if name == "send_recv":
        return 1.0
    return (2.0 if name == "all_reduce" else 1.0) * (n - 1.0) / n


def measured(fabric: str, link: float, name: str, n: int, message: float, payload: str = "16-bit") -> float:
    """Time inside a switched domain that was measured at this group size."""
    least = wire(name, n)
    if name == "all_reduce":
        least = min(least, 1.0 + 1.0 / n)
    return max(on_curve(points(fabric, name, "nccl", payload, n), message), least * message / link)


def network(name: str, n: float, message: float, rate: float) -> float:
    """Time between servers."""
    latency = constant("network_latency_s")
    if name == "all_to_all":
        latency += constant("network_peer_s") * max(n - 2.0, 0.0)
    elif name != "send_recv":
        latency += constant("network_hop_s") * math.log2(n)
    return latency + wire(name, n) * message / (rate * constant("network_share"))


def two_level(fabric: str, link: float, rate: float, name: str, inside: int, nodes: int, message: float) -> float:
    """All latencies, and the longer of the two tiers; an exchange has both at once."""
    if nodes == 1:
        return measured(fabric, link, name, inside, message)
    if inside == 1:
        return network(name, nodes, message, rate)
    if name == "all_to_all":
        within = measured(fabric, link, name, inside, message * inside / (inside * nodes))
        return max(within, network(name, nodes, message, rate))
    across = message / inside * wire(name, inside * nodes) / wire(name, nodes)
    first = measured(fabric, link, name, inside, 1.0)
    second = network(name, nodes, 1.0, rate)
    rest = max(measured(fabric, link, name, inside, message) - first, network(name, nodes, across, rate) - second)
    return first + second + rest


def elsewhere(fabrics: dict[str, float], link: float, shape: str, name: str, n: int, message: float) -> float:
    """Time on a link that was not measured, at a power of two: the mean of measured ones, each moved to it.

    `fabrics` gives the link of each; a link r times slower takes what the measured one took for r times the message.
    """
    logs = [
        math.log(on_curve(points(one, name, "nccl", "16-bit", n), message * rate / link))
        for one, rate in fabrics.items()
    ]
    least = wire(name, n)
    if name == "all_reduce" and shape == "switch":
        least = min(least, 1.0 + 1.0 / n)
    return max(math.exp(sum(logs) / len(logs)), least * message / link)
