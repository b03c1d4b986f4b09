"""A number of a scenario with its range and its source."""

from __future__ import annotations

from dataclasses import dataclass

from chipwise.core.fact import Fact, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number of the scenario with its range and its source.

    Parameters
    ----------
    id : str
        ``scenario/<scenario id>#<path in the file>``.
    value : float
        Central value, in `unit` after conversion.
    low, high : float
        Range; both equal `value` where the file gives none.
    unit : str
        SI or USD unit after conversion, ``""`` for shares.
    source : str
        Text of ``src`` or ``assume``.
    status : {"official", "measured", "estimated", "assumed"}
        ``assumed`` for ``assume``, ``estimated`` for ``src``.
    ex_post : bool
        True when the evidence became public only after the day of the decision.
    bound : str
        ``lower`` or ``upper`` when the file says the value is only a bound.
    """

    id: str
    value: float
    low: float
    high: float
    unit: str
    source: str
    status: Status = "assumed"
    ex_post: bool = False
    bound: str = ""

    def fact(self) -> Fact:
        """The quantity as a `Fact` for reports."""
        ranged = self.low != self.value or self.high != self.value
        return Fact(
            id=self.id,
            value=self.value,
            unit=self.unit,
            source=self.source,
            status=self.status,
            low=self.low if ranged else None,
            high=self.high if ranged else None,
            note="evidence published after the day of the decision" if self.ex_post else "",
        )
