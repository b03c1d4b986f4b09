"""A workload from one line of text: a shipped trace, a file, a generated stream, or several of them joined."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chipwise.core.errors import InputError
from chipwise.serving.clients import client_mixture
from chipwise.serving.generate import FORMS, generate, merged, scaled, sessions, spliced, superposed
from chipwise.serving.readers import SHIPPED, read_trace
from chipwise.serving.trace import Trace

MADE = (
    f"{FORMS}, servegen:CLASS:RATE[:HOURS], sessions:RATE:COUNT:TURNS:THINK_S:QUESTION:ANSWER "
    "(counts may be followed by ~TRACE to draw lengths from it)"
)


def load_workload(
    text: str,
    *,
    seed: int = 0,
    requests: int = 10_000,
    scale: float = 1.0,
    copies: float | None = None,
    columns: Mapping[str, str] | None = None,
    rate_per_s: float | None = None,
    time_unit: str | None = None,
    prefix_tokens: int = 512,
    characters_per_token: float | None = None,
    keep_stamps: bool = False,
) -> Trace:
    """A workload from its line.

    Parameters
    ----------
    text : str
        ``azure``, a file, ``poisson:6:512:128``, ``gamma:6:3:512:128``, ``diurnal:2:3:512:128:24``,
        ``servegen:m-large:10:1`` (clients of a production service), ``sessions:1:200:4:20:300:100``;
        ``poisson:6:1:1~azure`` draws its lengths from a trace; ``A + B`` runs two at once, ``A then B`` one after the
        other.
    scale : float
        The same requests so many times as fast.
    copies : float, optional
        So many independent copies laid over one another (`superposed`): more load with bursts as of more clients.
    columns, rate_per_s, time_unit, prefix_tokens, characters_per_token, keep_stamps
        For files, as `read_trace` takes them.

    Raises
    ------
    InputError
        No such workload.

    Examples
    --------
    >>> len(load_workload("poisson:6:512:128:100 + poisson:1:4000:100:50"))
    150
    """
    options: dict[str, Any] = {
        "columns": columns,
        "rate_per_s": rate_per_s,
        "time_unit": time_unit,
        "prefix_tokens": prefix_tokens,
        "characters_per_token": characters_per_token,
        "keep_stamps": keep_stamps,
    }
    whole: Trace | None = None
    for later in re.split(r"\s+then\s+", text.strip()):
        parts = [_one(part, seed + k, requests, options) for k, part in enumerate(re.split(r"\s+\+\s+", later))]
        joined = parts[0] if len(parts) == 1 else merged(*parts)
        whole = joined if whole is None else spliced(whole, joined)
    assert whole is not None
    if copies is not None:
        whole = superposed(whole, copies, seed=seed)
        if not len(whole):
            raise InputError(f"{copies} copies leave no request", place="--copies", allowed="a larger number")
    return whole if scale == 1.0 else scaled(whole, scale)


def _one(text: str, seed: int, requests: int, options: Mapping[str, Any]) -> Trace:
    kind, *rest = text.split(":")
    if kind in ("poisson", "gamma", "diurnal"):
        form, _, drawn = text.partition("~")
        lengths = _one(drawn, seed, requests, options) if drawn else None
        return generate(form, seed=seed, requests=requests, lengths=lengths)
    if kind == "servegen":
        numbers = _numbers(text, rest[1:], 1, 2)
        hours = numbers[1] if len(numbers) > 1 else 1.0
        return client_mixture(rest[0], numbers[0], 3600.0 * hours, seed=seed)
    if kind == "sessions":
        rate, count, turns, think_s, question, answer = _numbers(text, rest, 6, 6)
        return sessions(
            rate,
            int(count),
            turns=max(1.0, turns),
            think_s=think_s,
            question_tokens=int(question),
            answer_tokens=int(answer),
            seed=seed,
        )
    if text in SHIPPED:
        return read_trace(text, seed=seed, keep_stamps=options["keep_stamps"])
    return read_trace(text, seed=seed, **options)


def _numbers(text: str, parts: list[str], fewest: int, most: int) -> list[float]:
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not fewest <= len(numbers) <= most or min(numbers) <= 0:
        raise InputError(f"{text!r} is no workload", place="--trace", allowed=MADE)
    return numbers
