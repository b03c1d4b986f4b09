"""Distance from the figures of a case to every numeric line in force."""

from __future__ import annotations

import functools

from chipwise.rules.logic import compare, is_open
from chipwise.rules.objects import CaseSpec, Margin
from chipwise.rules.rulebook import Rulebook


@functools.lru_cache(maxsize=256)
def margins_of(case: CaseSpec, rulebook: Rulebook) -> tuple[Margin, ...]:
    """One entry per line and figure that is known; `near` inside the warning share, 2 % as shipped."""
    law = rulebook.law(case.on)
    warn = law.parameters.get("warn_share", 0.0)
    out: dict[str, Margin] = {}
    for name, test in law.tests.items():
        for row in test:
            for part in row:
                key = f"{name}.{part.parameter}"
                span = case.span(part.measure)
                if key in out or is_open(span):
                    continue
                relative = tuple((end - part.value) / part.value for end in span)
                parameter = rulebook.tables["parameters"][part.parameter]
                out[key] = Margin(
                    line=key,
                    measure=part.measure,
                    unit=str(parameter["unit"]),
                    threshold=part.value,
                    low=span[0],
                    high=span[1],
                    relative_low=relative[0],
                    relative_high=relative[1],
                    near=relative[0] <= warn and relative[1] >= -warn,
                    straddles=compare(span, part.operator, part.value) is None,
                    citation=str(parameter["citation"]),
                )
    return tuple(out.values())
