"""The best copy of a model on one chip type: groups, divisions of experts and the batch that targets leave."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError, Undetermined
from chipwise.perf.infer.capacity import most_requests
from chipwise.perf.infer.load import Load, saturated
from chipwise.perf.infer.predict import chunk_of, names_of
from chipwise.perf.infer.setup import Layout, Setup, build_setup
from chipwise.perf.infer.step import Parts, decode_parts, lone_prompt_parts, prompt_parts
from chipwise.perf.infer.terms import Terms, engine_constant, terms_of

BATCHES = (1.0, 2.0, 4.0, *(8.0 * k for k in range(1, 33)), *(float(round(256 * 1.19**k)) for k in range(1, 25)))
"""Batches considered: those an engine captures as graphs, then about a fifth apart. The same for every chip, so that
more memory or a looser target only ever adds choices."""

SAME = 1.001
"""A larger group must be better by more than this to be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One layout under load.

    Parameters
    ----------
    batch : int
        Requests decoding together.
    most : float
        Requests whose caches fit, or the engine's cap.
    """

    setup: Setup
    load: Load
    decode: Parts
    terms: Terms
    batch: int
    most: float

    @property
    def output_tokens_per_s_per_chip(self) -> float:
        """Output tokens/s of one chip."""
        return float(self.load.output_tokens_per_s) / self.setup.layout.chips


def layouts(model: Model, most_chips: int) -> Iterator[Layout]:
    """Power-of-two groups; experts divided by width, by expert, or among attention copies."""
    chips = 1
    while chips <= most_chips and chips <= (model.heads or chips):
        yield Layout(tensor=chips)
        if model.n_experts and chips > 1 and model.n_experts % chips == 0:
            yield Layout(tensor=chips, expert=chips)
            yield Layout(data=chips, expert=chips)
        chips *= 2


def setups(
    chip: Chip,
    model: Model,
    *,
    precision: str,
    kv_precision: str,
    engine: str,
    most_chips: int,
    catalogue: Any,
) -> list[Setup]:
    """Every layout whose links are known.

    Raises
    ------
    Undetermined
        Not even one chip can be costed.
    """
    found: list[Setup] = []
    for layout in layouts(model, most_chips):
        try:
            setup = build_setup(
                chip,
                model,
                layout,
                precision=precision,
                kv_precision=kv_precision,
                engine=engine,
                catalogue=catalogue,
            )
        except (InputError, Undetermined):
            if not found:
                raise
            continue
        found.append(setup)
    return found


def candidate(
    setup: Setup, input_tokens: float, output_tokens: float, tpot_s: float | None, ttft_s: float | None
) -> Candidate | None:
    """One layout at the largest batch that fits and meets the targets (means); None where there is none."""
    import numpy as np

    fits = most_requests(setup, input_tokens, output_tokens)
    if not fits:
        return None
    most = float(int(min(fits, engine_constant(setup.engine, "batch_cap") * setup.layout.data)))
    bounded = tpot_s is not None or ttft_s is not None
    terms = terms_of(names_of(setup, "server" if bounded else "max_load"))
    batches = np.array([knot for knot in BATCHES if knot <= most])
    load, decode = _load(setup, terms, batches, input_tokens, output_tokens)
    good = np.ones(batches.shape, dtype=bool)
    if tpot_s is not None:
        good &= load.tpot_s <= tpot_s
    if ttft_s is not None:
        good &= load.ttft_s <= ttft_s
    if not good.any():
        return None
    place = int(np.argmax(np.where(good, load.requests_per_s, 0.0)))
    return Candidate(
        setup=setup,
        load=_at(load, place, Load),
        decode=_at(decode, place, Parts),
        terms=terms,
        batch=int(batches[place]),
        most=most,
    )


def _at(found: Any, place: int, kind: Any) -> Any:
    """One element of every array of a result."""
    import numpy as np

    picked = {}
    for field in dataclasses.fields(found):
        value = np.asarray(getattr(found, field.name))
        picked[field.name] = float(value if value.ndim == 0 else value[place])
    return kind(**picked)


def one_request(setup: Setup, input_tokens: float, output_tokens: float) -> Load:
    """A single request on one layout."""
    return _load(setup, terms_of(names_of(setup, "server")), 1.0, input_tokens, output_tokens)[0]


def _load(setup: Setup, terms: Terms, batch: Any, prompt: float, output: float) -> tuple[Load, Parts]:
    decode = decode_parts(setup, batch, prompt + output / 2.0)
    load = saturated(
        decode,
        prompt_parts(setup, batch, prompt, chunk_of(setup, batch, prompt)),
        lone_prompt_parts(setup, prompt),
        terms,
        batch=batch,
        output_tokens=output,
        layers=setup.work.layers,
        copies_of_attention=float(setup.layout.data),
    )
    return load, decode


def best(
    tried: list[Setup], input_tokens: float, output_tokens: float, tpot_s: float | None, ttft_s: float | None
) -> Candidate | None:
    """Most output tokens/s a chip, the smaller group of equals; None where no layout fits and meets the targets.

    Raises
    ------
    Undetermined
        No layout can be costed or fits, and one could not be costed for want of a published link.
    """
    found: Candidate | None = None
    unknown: Undetermined | None = None
    for setup in tried:
        try:
            each = candidate(setup, input_tokens, output_tokens, tpot_s, ttft_s)
        except Undetermined as error:
            unknown = Undetermined(f"groups of {setup.chip.id}: {error.message}", place=error.place)
            continue
        if each is None:
            continue
        if found is None or each.output_tokens_per_s_per_chip > SAME * found.output_tokens_per_s_per_chip:
            found = each
    if found is None and unknown is not None:
        raise unknown
    return found
