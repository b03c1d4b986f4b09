"""Closed forms of the four runways: arrays and scalars in, years out, `inf` for a runway that never ends.

Every function broadcasts its arguments. A year is 365.25 days; rates are dense FLOP/s. An unknown growth or attrition
is NaN: the years are then NaN, but 0 where the runway has ended whatever the growth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chipwise.core.units import SECONDS_PER_DAY, SECONDS_PER_YEAR

Array = NDArray[np.float64]

_EQUAL = 1e-12
"""Relative slack under which two growth factors count as equal, so that rounding never yields a huge finite runway."""
_LONGEST_YEARS = 2.0**20
_HALVINGS = 80


def _floats(*values: ArrayLike) -> tuple[Array, ...]:
    return tuple(np.asarray(value, dtype=np.float64) for value in values)


def annual_supply_flop(
    fleet_flops: ArrayLike, mfu: ArrayLike, availability: ArrayLike, training_share: ArrayLike
) -> Array:
    """FLOP a year that a fleet of `fleet_flops` (peak FLOP/s) gives to research and training."""
    fleet, use, up, share = _floats(fleet_flops, mfu, availability, training_share)
    return np.asarray(fleet * use * up * share * SECONDS_PER_YEAR)


def largest_run_flop(cluster_flops: ArrayLike, mfu: ArrayLike, availability: ArrayLike, days: ArrayLike) -> Array:
    """FLOP of the biggest run that fits in `days` on one cluster of `cluster_flops` (peak FLOP/s)."""
    cluster, use, up, length = _floats(cluster_flops, mfu, availability, days)
    return np.asarray(cluster * use * up * length * SECONDS_PER_DAY)


def serving_need_flops(active_params: ArrayLike, tokens_per_day: ArrayLike, utilisation: ArrayLike) -> Array:
    """Peak FLOP/s that serving takes: 2 x active parameters x tokens a day / 86,400 / utilisation."""
    active, tokens, use = _floats(active_params, tokens_per_day, utilisation)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(tokens <= 0.0, 0.0, 2.0 * active * tokens / SECONDS_PER_DAY / use))


def _crossing_years(capacity: Array, need: Array, growth: Array, attrition: Array) -> Array:
    """First t with need x growth^t > capacity x (1 - attrition)^t, given need <= capacity at 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        widening = np.asarray(growth / (1.0 - attrition))
        never = (widening <= 1.0 + _EQUAL) | (need <= 0.0)
        years = np.log(capacity / need) / np.log(widening)
    return np.where(never, np.inf, np.where(np.isinf(widening), 0.0, years))


def programme_years(
    supply_flop_per_year: ArrayLike, demand_flop_per_year: ArrayLike, growth: ArrayLike, attrition: ArrayLike
) -> Array:
    """T1: years until the year's research-and-training demand exceeds what the fleet gives.

    Parameters
    ----------
    supply_flop_per_year : array_like
        FLOP a year left for research and training.
    demand_flop_per_year : array_like
        FLOP a year wanted: final runs divided by the share of research compute that final runs take.
    growth : array_like
        Factor a year by which demand grows.
    attrition : array_like
        Share of the fleet lost a year, 0 to 1.

    Returns
    -------
    ndarray
        ln(F/D) / ln(g/(1-a)); 0 when F <= D; inf when g <= 1-a.
    """
    supply, demand, g, a = _floats(supply_flop_per_year, demand_flop_per_year, growth, attrition)
    return np.asarray(np.where(supply <= demand, 0.0, _crossing_years(supply, demand, g, a)))


def flagship_years(largest_flop: ArrayLike, flagship_flop: ArrayLike, growth: ArrayLike) -> Array:
    """T2: years until the biggest run wanted no longer fits on the biggest cluster; wear is left out.

    Returns
    -------
    ndarray
        ln(C/R0) / ln(g); 0 when C <= R0; inf when g <= 1.
    """
    return programme_years(largest_flop, flagship_flop, growth, 0.0)


def generations_left(largest_flop: ArrayLike, flagship_flop: ArrayLike, step: ArrayLike) -> Array:
    """Model generations that still fit, each `step` times the compute of the last: ln(C/R0) / ln(k)."""
    return flagship_years(largest_flop, flagship_flop, step)


def squeeze_years(need: ArrayLike, capacity: ArrayLike, token_growth: ArrayLike, attrition: ArrayLike) -> Array:
    """T3: years until inference needs more than the fleet has left for it.

    Parameters
    ----------
    need, capacity : array_like
        Today's need and capacity in one unit: peak FLOP/s, or tokens a day where yields are known.
    token_growth : array_like
        Factor a year by which tokens grow.
    attrition : array_like
        Share of the capacity lost a year, 0 to 1.

    Returns
    -------
    ndarray
        ln(K/S) / ln(gT/(1-a)); 0 when S > K; inf when S = 0, or S <= K and gT <= 1-a.
    """
    s, k, g, a = _floats(need, capacity, token_growth, attrition)
    return np.asarray(np.where(s > k, 0.0, _crossing_years(k, s, g, a)))


def wear_years(
    in_service: ArrayLike,
    spares: ArrayLike,
    needed: ArrayLike,
    attrition: ArrayLike,
    repair_share: ArrayLike,
    support_end_years: ArrayLike = np.inf,
) -> Array:
    """T4: years until failures and the end of support bring the chips in service below `needed`.

    Parameters
    ----------
    in_service, spares, needed : array_like
        Chips working, on the shelf, and needed; need is constant.
    attrition : array_like
        Share that fails a year, 0 to 1.
    repair_share : array_like
        Share of the failures repaired at once, 0 to 1.
    support_end_years : array_like
        Years until support ends; inf for no end.

    Returns
    -------
    ndarray
        min(s/(h n0) + ln(n0/m)/h, L) with h = -ln(1-a) (1-rho); 0 when m > n0; inf when m = 0. Where nothing wears
        out the support ends it, also with m = n0: a fleet that never fails never falls below need.
    """
    n0, s, m, a, rho, end = _floats(in_service, spares, needed, attrition, repair_share, support_end_years)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        hazard = np.where((rho >= 1.0) | (a <= 0.0), 0.0, -np.log1p(-a) * (1.0 - rho))
        years = np.where(hazard > 0.0, s / (hazard * n0) + np.log(n0 / m) / hazard, np.inf)
        years = np.minimum(years, end)
    return np.asarray(np.where(m <= 0.0, np.inf, np.where(m > n0, 0.0, years)))


def mixed_fleet_years(capacity: ArrayLike, attrition: ArrayLike, need: ArrayLike, growth: ArrayLike) -> Array:
    """First time a growing need exceeds a fleet whose chip types wear at their own rates, by bisection.

    Serves T1 (FLOP a year against demand) and T3 (FLOP/s against serving need) alike. A need that is only equal has
    not crossed.

    Parameters
    ----------
    capacity : (..., k) array_like
        Capacity of each of k types today.
    attrition : (..., k) array_like
        Share of each type lost a year, 0 to 1.
    need, growth : (...,) array_like
        Need today in the unit of `capacity`, and its factor of growth a year.

    Returns
    -------
    ndarray
        Years; 0 when need exceeds the sum today, inf when it never does.

    Notes
    -----
    ln need(t) - ln capacity(t) is concave in t, so it crosses zero upward at most once and the first crossing is on
    the way up; the search stops at 2^20 years.
    """
    c, a, s0, g = _floats(capacity, attrition, need, growth)
    shape = np.broadcast_shapes(c.shape[:-1], a.shape[:-1], s0.shape, g.shape)
    types = np.broadcast_shapes(c.shape[-1:], a.shape[-1:])
    c, a = np.broadcast_to(c, shape + types), np.broadcast_to(a, shape + types)
    s0, g = np.broadcast_to(s0, shape), np.broadcast_to(g, shape)
    with np.errstate(divide="ignore"):
        ln_c, ln_s, ln_g = np.log(c), np.log(s0), np.log(g)
    ln_keep = np.log1p(-np.minimum(a, 1.0 - 1e-15))
    total = c.sum(axis=-1)
    short, never = s0 > total, (s0 <= 0.0) | ((g <= 0.0) & (s0 <= total))
    open_ = ~short & ~never
    out = np.where(short, 0.0, np.inf)
    if open_.any():
        out[open_] = _bisect(ln_c[open_], ln_keep[open_], ln_s[open_], ln_g[open_])
    return out


def _gap(ln_c: Array, ln_keep: Array, ln_s: Array, ln_g: Array, t: Array) -> tuple[Array, Array]:
    """ln need - ln capacity at `t`, and its slope."""
    parts = ln_c + ln_keep * t[:, None]
    top = parts.max(axis=1, keepdims=True)
    weights = np.exp(parts - top)
    total = weights.sum(axis=1)
    gap = ln_s + ln_g * t - (top[:, 0] + np.log(total))
    return gap, ln_g - (weights * ln_keep).sum(axis=1) / total


def _bisect(ln_c: Array, ln_keep: Array, ln_s: Array, ln_g: Array) -> Array:
    """Upward zero of the gap for rows that start at or below zero; inf where there is none."""
    low, high = np.zeros_like(ln_s), np.ones_like(ln_s)
    while True:
        gap, slope = _gap(ln_c, ln_keep, ln_s, ln_g, high)
        searching = (gap <= 0.0) & (slope > _EQUAL) & (high < _LONGEST_YEARS)
        if not searching.any():
            break
        high = np.where(searching, high * 2.0, high)
    peak_low, peak = np.zeros_like(high), high.copy()
    falling = (gap <= 0.0) & (slope <= _EQUAL)
    for _ in range(_HALVINGS if falling.any() else 0):  # where the gap may have peaked in between, find the peak
        middle = 0.5 * (peak_low + peak)
        rising = _gap(ln_c, ln_keep, ln_s, ln_g, middle)[1] > _EQUAL
        peak_low, peak = np.where(falling & rising, middle, peak_low), np.where(falling & ~rising, middle, peak)
    high = np.where(falling, peak, high)
    crosses = _gap(ln_c, ln_keep, ln_s, ln_g, high)[0] > 0.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = _gap(ln_c, ln_keep, ln_s, ln_g, middle)[0] > 0.0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(crosses, high, np.inf)


def ranks(values: Array, order: NDArray[np.intp] | None = None) -> Array:
    """Average ranks from 1, ties sharing the mean of their places; infinities rank as largest and equal.

    Parameters
    ----------
    values : (n,) float64
        No NaN.
    order : (n,) int, optional
        ``np.argsort(values)`` if known already.
    """
    places: Any = np.argsort(values) if order is None else order
    sorted_values: Any = values[places]
    first = np.empty(len(values), dtype=bool)
    first[:1] = True
    np.not_equal(sorted_values[1:], sorted_values[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(values))
    out = np.empty(len(values))
    out[places] = np.repeat(0.5 * (starts + ends + 1), ends - starts)
    return out


def rank_correlation(first_ranks: Array, second_ranks: Array) -> float:
    """Spearman's rho of two rank vectors; NaN when either does not vary."""
    x, y = first_ranks - first_ranks.mean(), second_ranks - second_ranks.mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 0.0 else float("nan")
