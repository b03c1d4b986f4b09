"""A layout of the user's own beside what a search found: why not this one?"""

from __future__ import annotations

from typing import Any

from chipwise.core.errors import InputError, Undetermined
from chipwise.perf.infer.compiled import compiled
from chipwise.perf.infer.layouts import cannot_be
from chipwise.perf.infer.operate import prepared
from chipwise.perf.infer.points import Points, best_of_each
from chipwise.perf.infer.question import Question
from chipwise.perf.infer.search import CHUNKS, aggregated
from chipwise.perf.infer.served import Served
from chipwise.perf.infer.setup import Layout
from chipwise.perf.infer.why import why_not


def judged(question: Question, layout: Layout, best: Served | None) -> dict[str, Any]:
    """One layout of the user's own: its best set-up, and why it is not the answer.

    Parameters
    ----------
    best : Served or None
        What the search found.
    """
    limit = question.tensor_limits[0]
    engine = question.engines[0] if len(question.engines) == 1 else ""
    refused = cannot_be(question.model, layout, chips=question.chips, tensor_limit=limit, engine=engine)
    if refused:
        return {"setup": None, "cause": refused}
    entries: list[Points] = []
    causes: list[str] = []
    for formats in question.formats():
        try:
            made = compiled(
                question.chip,
                question.model,
                (layout,),
                catalogue=question.catalogue,
                draft=question.options.draft_tokens,
                **formats,
            )
        except (Undetermined, InputError) as error:
            causes.append(error.message)
            continue
        table = prepared(made, question.options)
        entries += [aggregated(question, table, formats, chunk)[2] for chunk in CHUNKS]
        causes.append(why_not(table, 0, question))
    own = next(best_of_each(entries, 1), None)
    if own is None:
        return {"setup": None, "cause": "; ".join(dict.fromkeys(cause for cause in causes if cause))}
    return {"setup": own.to_dict(), "cause": _compared(own, best)}


def _compared(own: Served, best: Served | None) -> str:
    """How far a feasible set-up lies behind the best, and which of its times is longer."""
    rate = own.output_tokens_per_s_per_chip.value
    if best is None or rate >= best.output_tokens_per_s_per_chip.value * 0.9995:
        return "as good as the best"
    lead = best.output_tokens_per_s_per_chip.value
    text = f"feasible, {rate:,.0f} tokens/s a chip against {lead:,.0f} of {best.text()} ({1.0 - rate / lead:.0%} less)"
    if own.chips_used < own.chips_given:
        text += f"; {own.chips_given - own.chips_used} chips stay idle"
    elif own.mode != best.mode:
        text += "; prompts and decoding share its steps, so that fewer requests meet the time per token"
    else:
        text += f"; {own.pools[0].batch:g} requests on {own.pools[0].layout.chips} chips a copy, the best "
        text += f"{best.pools[-1].batch:g} on {best.pools[-1].layout.chips}"
    return text
