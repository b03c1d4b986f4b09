"""Prefill and decode on pools of their own: rates matched, caches sent over the fabric."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipwise.core.errors import Undetermined
from chipwise.perf.infer.compiled import KNOTS, Compiled, knot_works, works
from chipwise.perf.infer.load import lone_prompt_s, step_s, work_s
from chipwise.perf.infer.operate import drafted, hosted, most_running, stream_of
from chipwise.perf.infer.options import Options
from chipwise.perf.machine import KV_BYTES
from chipwise.perf.tables import constant, read_rows

USED = (0.5, 0.7, 0.8)
"""Shares of a prefill pool's time tried below its most, where waiting would miss the target."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prefill:
    """Copies that only read prompts, one entry a layout.

    Parameters
    ----------
    service_s : (n,) float64
        Engine time one prompt takes where prompts follow each other.
    alone_s : (n,) float64
        From start to first token of one prompt.
    fits : (n,) bool
    """

    found: Compiled
    service_s: Any
    alone_s: Any
    fits: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decode:
    """Copies that only decode: (layouts, batches).

    Parameters
    ----------
    gap_s : float64
        Time per token.
    fits : bool
    """

    found: Compiled
    gap_s: Any
    fits: Any


def prefill_pool(found: Compiled, options: Options, input_tokens: float, output_tokens: float) -> Prefill:
    """What one copy reads, by layout."""
    every = np.arange(len(found.setups))
    terms, layers = hosted(found.terms("closed"), options), found.setup.work.layers
    chunk = max(options.chunk(found.setup.engine), input_tokens)
    _, each, lone = works(found, every, 1.0, input_tokens, output_tokens, chunk, stream_of(found, options))
    launches = (terms.step_s + layers * terms.layer_s) * input_tokens / (chunk * found.pipeline)
    return Prefill(
        found=found,
        service_s=terms.prompt * work_s(each, terms) + launches,
        alone_s=terms.front_s + lone_prompt_s(lone, terms, layers),
        fits=most_running(found, options, every, input_tokens, 1.0) >= 1.0,
    )


def decode_pool(found: Compiled, options: Options, input_tokens: float, output_tokens: float) -> Decode:
    """What one copy yields at every batch of `KNOTS`, by layout."""
    every = np.arange(len(found.setups))[:, None]
    terms, layers = hosted(found.terms("closed"), options), found.setup.work.layers
    work, _, lone = knot_works(found, input_tokens, output_tokens, input_tokens, stream_of(found, options))
    if options.draft_tokens:
        work, _, terms = drafted(found, options, every, KNOTS, work, lone, terms)
    return Decode(
        found=found,
        gap_s=step_s(work, terms, layers, KNOTS / found.data[:, None]),
        fits=most_running(found, options, every, input_tokens, output_tokens) >= KNOTS,
    )


def transfers_s(first: Compiled, second: Compiled, input_tokens: float, chips: int) -> Any:
    """Sending the cache of one prompt from a prefill copy to a decode copy, s, for every pair of layouts.

    Parameters
    ----------
    chips : int
        Of both pools: where all lie in one scale-up domain its links are used, else the network.

    Returns
    -------
    (prefill layouts, decode layouts) float64

    Raises
    ------
    Undetermined
        The network of one of the chips is not published.

    Notes
    -----
    The narrower end sends over all its adapters at once; a share of the data sheet is reached.
    """
    sender, receiver = first.setup, second.setup
    model = sender.model
    window = model.kv_elems_per_token_window * min(input_tokens, float(model.sliding_window or 0))
    grown = (model.kv_elems_per_token + model.index_elems_per_token) * input_tokens
    moved = KV_BYTES[sender.kv_precision] * (grown + window) + 2.0 * model.state_elems_per_sequence
    domain, link = sender.chip.scaleup_domain or 1, sender.chip.link_bytes_per_s_per_dir
    if sender.chip.id == receiver.chip.id and chips <= domain and link:
        return moved / (np.minimum.outer(first.chips, second.chips) * link)
    rates = []
    for side in (first, second):
        rate = next((setup.topology.network_bytes_per_s for setup in side.setups), None)
        if not rate:
            chip = side.setup.chip.id
            raise Undetermined(
                f"the network of {chip} is not published: caches cannot be sent between pools", place=f"chips/{chip}"
            )
        rates.append(rate * side.chips)
    known = _network()
    return moved / (np.minimum.outer(*rates) * known["network_share"]) + known["network_latency_s"]


@functools.cache
def _network() -> dict[str, float]:
    rows = read_rows("collectives/constants.csv")
    return {row["id"]: float(row["value"]) for row in rows if row["id"].startswith("network_")}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pools:
    """Matched pools, one entry a set-up.

    Parameters
    ----------
    prefill, decode, knot : (n,) int64
        Layout of either pool, and the batch of a decode copy in `KNOTS`.
    readers, writers : (n,) float64
        Copies that prefill and that decode.
    rate : (n,) float64
        Requests/s.
    ttft_s, tpot_s, in_flight, chips : (n,) float64
    fits : (n,) bool
        Both sides hold a request and the chips suffice.
    """

    prefill: Any
    decode: Any
    knot: Any
    readers: Any
    writers: Any
    rate: Any
    ttft_s: Any
    tpot_s: Any
    in_flight: Any
    chips: Any
    fits: Any


def matched(
    prefill: Prefill,
    decode: Decode,
    output_tokens: float,
    sent_s: Any,
    *,
    chips: int | None = None,
    prefill_chips: int | None = None,
    decode_chips: int | None = None,
    longest_gap_s: float | None = None,
) -> Pools:
    """Every pair of pools whose rates match on so many chips and that could be the best.

    Parameters
    ----------
    sent_s : (prefill layouts, decode layouts) float64
        Sending one cache; infinite where it cannot be sent.
    chips : int, optional
        Of both pools together; or a number for each.
    longest_gap_s : float, optional
        Decode copies slower than this are left out.

    Notes
    -----
    A copy that another of no more chips beats in both its rate per chip and its time is left out before pairing. The
    decode pool yields ``copies * batch / (gap * (output - 1))`` requests/s times a share; the prefill pool
    ``copies / service`` at most a share of its time, and less where waiting must be short. A prompt waits
    ``r**(sqrt(2 (n + 1)) - 1) / (2 n (1 - r))`` services in a pool of n copies used to a share r (Sakasegawa, fixed
    service). Requests in flight follow from Little's law.
    """
    p, d = prefill.found, decode.found
    shares = np.array([*USED, constant("pool_prefill_share")])
    flow = constant("pool_decode_share") * KNOTS / (decode.gap_s * max(output_tokens - 1.0, 1.0))
    readable = np.flatnonzero(prefill.fits & np.isfinite(sent_s).any(axis=1))
    able = decode.fits & np.isfinite(sent_s).any(axis=0)[:, None]
    if longest_gap_s is not None:
        able = able & (decode.gap_s <= longest_gap_s)
    layouts, knots = np.nonzero(able)
    readable = readable[
        undominated(p.chips[readable], prefill.alone_s[readable], 1.0 / (prefill.service_s * p.chips)[readable])
    ]
    kept = undominated(d.chips[layouts], decode.gap_s[layouts, knots], flow[layouts, knots] / d.chips[layouts])
    layouts, knots = layouts[kept], knots[kept]
    left, place, used, shift = (
        axis.ravel() for axis in np.meshgrid(readable, np.arange(layouts.size), shares, np.arange(4), indexing="ij")
    )
    right, knot = layouts[place], knots[place]
    reads, writes = used / prefill.service_s[left], flow[right, knot]
    taken, given = p.chips[left], d.chips[right]
    if chips is not None:
        balance = writes / given / (reads / taken + writes / given)
        readers = np.maximum(np.floor(balance * chips / taken) + shift - 1.0, 1.0)
        writers = np.floor((chips - readers * taken) / given)
    else:
        readers = np.floor((prefill_chips or 0) / taken) + 0.0 * shift
        writers = np.floor((decode_chips or 0) / given)
    fits = (readers >= 1.0) & (writers >= 1.0)
    writers = np.maximum(writers, 1.0)
    rate = np.minimum(readers * reads, writers * writes)
    busy = rate * prefill.service_s[left] / np.maximum(readers, 1.0)
    queue = busy ** (np.sqrt(2.0 * (readers + 1.0)) - 1.0) / (2.0 * np.maximum(readers, 1.0) * (1.0 - busy))
    gap = decode.gap_s[right, knot]
    ttft = prefill.alone_s[left] + queue * prefill.service_s[left] + sent_s[left, right] + gap
    return Pools(
        prefill=left,
        decode=right,
        knot=knot,
        readers=readers,
        writers=writers,
        rate=rate,
        ttft_s=ttft,
        tpot_s=gap,
        in_flight=rate * (ttft + gap * (output_tokens - 1.0)),
        chips=readers * taken + writers * given,
        fits=fits,
    )


def undominated(chips: Any, time_s: Any, rate: Any) -> Any:
    """Which copies none of as few chips beats in both time and rate.

    Parameters
    ----------
    chips, time_s, rate : (n,) float64

    Returns
    -------
    (n,) bool
    """
    kept = np.zeros(chips.size, dtype=bool)
    times, rates = np.zeros(0), np.zeros(0)
    for size in np.unique(chips):
        mine = np.flatnonzero(chips == size)
        mine = mine[np.lexsort((-rate[mine], time_s[mine]))]
        before = np.searchsorted(times, time_s[mine], side="right")
        others = np.concatenate(([-np.inf], rates))[before]
        own = np.concatenate(([-np.inf], np.maximum.accumulate(rate[mine])[:-1]))
        good = mine[rate[mine] > np.maximum(others, own)]
        kept[good] = True
        times, rates = np.concatenate((times, time_s[good])), np.concatenate((rates, rate[good]))
        order = np.argsort(times, kind="stable")
        times, rates = times[order], np.maximum.accumulate(rates[order])
    return kept
