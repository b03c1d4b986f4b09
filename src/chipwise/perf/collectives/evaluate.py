"""Recipes evaluated: one message, an array of messages, or an array of messages and groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chipwise.core.errors import InputError
from chipwise.perf.collectives._kernels import interpolate_one, many_groups, one_group
from chipwise.perf.collectives.book import KNOTS
from chipwise.perf.collectives.objects import CollectiveTime, Floats
from chipwise.perf.collectives.recipe import Recipe

LARGEST = 2.0 ** (KNOTS - 1)


def one_message(recipe: Recipe, message: float) -> CollectiveTime:
    """One group, one message."""
    if not 0.0 <= message < float("inf"):
        raise InputError(f"a message of {message} bytes", place="message_bytes", allowed="0 or more, finite")
    time = max((interpolate_one(message * stage.scale, stage.knots) for stage in recipe.stages), default=0.0)
    time += recipe.latency_s
    factor = interpolate_one(min(message * recipe.stages[0].scale, LARGEST), recipe.factor_knots) if time else 1.0
    return CollectiveTime(
        time_s=time,
        low_s=max(time / factor, recipe.floor_s_per_byte * message),
        high_s=time * factor,
        bus_bytes_per_s=recipe.wire * message / time if time else 0.0,
        evidence=recipe.evidence,
    )


def array_of_messages(recipe: Recipe, message: Floats) -> CollectiveTime:
    """One group over an array of messages."""
    if not recipe.stages:
        nothing = np.zeros(message.shape)
        return CollectiveTime(
            time_s=nothing,
            low_s=nothing,
            high_s=nothing,
            bus_bytes_per_s=nothing,
            evidence=np.zeros(message.shape, dtype=np.int64),
        )
    time, factor = np.empty(message.shape), np.empty(message.shape)
    one_group(
        message.reshape(-1),
        np.array([stage.time_s for stage in recipe.stages]),
        np.array([stage.scale for stage in recipe.stages]),
        recipe.latency_s,
        recipe.factor,
        time.reshape(-1),
        factor.reshape(-1),
    )
    low = message * recipe.floor_s_per_byte
    np.maximum(low, time / factor, out=low)
    bus = message / time
    bus *= recipe.wire
    return CollectiveTime(
        time_s=time,
        low_s=low,
        high_s=time * factor,
        bus_bytes_per_s=bus,
        evidence=np.broadcast_to(np.int64(recipe.evidence), message.shape),
    )


def many_messages_and_groups(
    recipes: dict[int, Recipe], message: Floats, groups: NDArray[np.integer]
) -> CollectiveTime:
    """Every message with its own group."""
    sizes = sorted(recipes)
    chosen = [recipes[size] for size in sizes]
    row_of = np.zeros(sizes[-1] + 1, dtype=np.int64)
    row_of[sizes] = np.arange(len(sizes))
    rows = row_of[groups.reshape(-1)]
    depth = max(len(recipe.stages) for recipe in chosen)
    if not depth:
        return array_of_messages(chosen[0], np.ascontiguousarray(message))
    table = [np.zeros(KNOTS)]
    curve = np.zeros((depth, len(sizes)), dtype=np.int64)
    scales = np.ones(curve.shape)
    for column, recipe in enumerate(chosen):
        for place, stage in enumerate(recipe.stages):
            curve[place, column], scales[place, column] = len(table), stage.scale
            table.append(stage.time_s)
    flat = np.ascontiguousarray(message).reshape(-1)
    time, factor = np.empty(flat.size), np.empty(flat.size)
    latency = np.array([recipe.latency_s for recipe in chosen])
    spread = np.array([recipe.factor if recipe.stages else np.ones(KNOTS) for recipe in chosen])
    many_groups(flat, rows, np.array(table), curve, scales, latency, spread, time, factor)
    low = np.array([recipe.floor_s_per_byte for recipe in chosen]).take(rows)
    low *= flat
    np.maximum(low, time / factor, out=low)
    bus = np.array([recipe.wire for recipe in chosen]).take(rows)
    bus *= flat
    np.divide(bus, time, out=bus, where=time > 0.0)
    shape = message.shape
    return CollectiveTime(
        time_s=time.reshape(shape),
        low_s=low.reshape(shape),
        high_s=(time * factor).reshape(shape),
        bus_bytes_per_s=bus.reshape(shape),
        evidence=np.array([recipe.evidence for recipe in chosen]).take(rows).reshape(shape),
    )


def slower(one: CollectiveTime, other: CollectiveTime) -> CollectiveTime:
    """Element by element the slower of two; each end of the interval is the later one."""
    if isinstance(one.time_s, float) and isinstance(other.time_s, float):
        other_is_later = other.time_s > one.time_s
        return CollectiveTime(
            time_s=max(one.time_s, other.time_s),
            low_s=max(float(one.low_s), float(other.low_s)),
            high_s=max(float(one.high_s), float(other.high_s)),
            bus_bytes_per_s=other.bus_bytes_per_s if other_is_later else one.bus_bytes_per_s,
            evidence=max(int(one.evidence), int(other.evidence)),
        )
    return CollectiveTime(
        time_s=np.maximum(one.time_s, other.time_s),
        low_s=np.maximum(one.low_s, other.low_s),
        high_s=np.maximum(one.high_s, other.high_s),
        bus_bytes_per_s=np.minimum(one.bus_bytes_per_s, other.bus_bytes_per_s),
        evidence=np.maximum(one.evidence, other.evidence),
    )
