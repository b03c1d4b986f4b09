"""How many of another chip do the work of one, for a model and targets, over the whole catalogue."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import ChipwiseError, Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf.infer.bill import over
from chipwise.perf.objects import ServingYield
from chipwise.perf.serving import estimate_serving
from chipwise.perf.training import resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitute:
    """One chip in the place of another.

    Parameters
    ----------
    chips_for_one : Estimate or None
        How many replace one; None where it cannot do the work, and `why_not` says so.
    rate : Estimate or None
        Output tokens/s of one chip at the same work and targets.
    chips_for : int or None
        For the number asked about, in whole copies of the model.
    chips_per_copy : int
        Chips that hold one copy together.
    """

    chip_id: str
    name: str
    chips_for_one: Estimate | None
    rate: Estimate | None
    chips_for: int | None
    chips_per_copy: int
    batch: int
    why_not: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""

        def plain(value: Estimate | None) -> dict[str, Any] | None:
            if value is None:
                return None
            return {"value": value.value, "low": value.low, "high": value.high, "evidence": value.evidence}

        return {
            "chip": self.chip_id,
            "name": self.name,
            "chips_for_one": plain(self.chips_for_one),
            "output_tokens_per_s_per_chip": plain(self.rate),
            "chips_for": self.chips_for,
            "chips_per_copy": self.chips_per_copy,
            "batch": self.batch,
            "why_not": self.why_not,
        }


def substitutes(
    chip: str | Chip,
    model: str | Model,
    *,
    chips: int = 1,
    among: Iterable[str | Chip] | None = None,
    input_tokens: float | None = None,
    output_tokens: float | None = None,
    tpot_s: float | None = None,
    ttft_s: float | None = None,
    weight_precision: str = "auto",
    catalogue: Any = None,
) -> tuple[Substitute, ...]:
    """Every chip in the place of `chip`, fewest first; those that cannot do the work last, with the reason.

    Parameters
    ----------
    chips : int
        How many of `chip` are to be replaced.
    among : iterable, optional
        Chips considered; the whole catalogue by default.
    input_tokens, output_tokens, tpot_s, ttft_s, weight_precision
        As for `chipwise.perf.estimate_serving`.

    Raises
    ------
    Undetermined
        `chip` itself cannot be costed, or cannot do the work.

    Notes
    -----
    Each chip does the work with its own best group, division of experts and batch. The interval takes the errors of
    both chips as independent, which is wide: what one engine or harness does to both cancels in truth. This is physics
    alone: what a buyer may lawfully have is another question.
    """
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    asked, shape = resolve(chip, model, catalogue)

    def work(one: Chip) -> ServingYield:
        return estimate_serving(
            one,
            shape,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            tpot_s=tpot_s,
            ttft_s=ttft_s,
            weight_precision=weight_precision,
            catalogue=catalogue,
        )

    base = work(asked)
    if base.output_tokens_per_s_per_chip is None:
        raise Undetermined(f"{asked.id} cannot do the work itself: {base.why_not}", place=f"chips/{asked.id}")
    pool = catalogue.chips.values() if among is None else among
    others = (catalogue.chip(each) if isinstance(each, str) else each for each in pool)
    rate = base.output_tokens_per_s_per_chip
    found = [_substitute(one, rate, chips, work) for one in others if one.id != asked.id]
    return tuple(
        sorted(found, key=lambda each: (each.chips_for_one.value if each.chips_for_one else math.inf, each.chip_id))
    )


def _substitute(one: Chip, base: Estimate, chips: int, work: Any) -> Substitute:
    try:
        done: ServingYield = work(one)
        why, rate = done.why_not, done.output_tokens_per_s_per_chip
        copy, batch = done.chips_per_replica, done.batch
    except ChipwiseError as error:
        why, rate, copy, batch = error.message, None, 0, 0
    ratio = None
    if rate is not None:
        ratio = over(base, rate, 1.0, "chips", "ratio of output tokens/s a chip at the same work and targets")
    return Substitute(
        chip_id=one.id,
        name=one.name,
        chips_for_one=ratio,
        rate=rate,
        chips_for=None if ratio is None else math.ceil(ratio.value * chips / copy - 1e-9) * copy,
        chips_per_copy=copy,
        batch=batch,
        why_not=why,
    )
