"""Collectives as array functions of message bytes and group size, with intervals and evidence."""

from chipwise.perf.collectives.book import CurveBook, Fabric, load_book
from chipwise.perf.collectives.model import all_gather, all_reduce, all_to_all, collective, reduce_scatter, send_recv
from chipwise.perf.collectives.objects import (
    COLLECTIVES,
    LIBRARIES,
    PAYLOADS,
    CollectiveTime,
    Rung,
    bytes_on_the_wire,
)
from chipwise.perf.collectives.overlap import compute_slowdown

__all__ = [
    "COLLECTIVES",
    "LIBRARIES",
    "PAYLOADS",
    "CollectiveTime",
    "CurveBook",
    "Fabric",
    "Rung",
    "all_gather",
    "all_reduce",
    "all_to_all",
    "bytes_on_the_wire",
    "collective",
    "compute_slowdown",
    "load_book",
    "reduce_scatter",
    "send_recv",
]
