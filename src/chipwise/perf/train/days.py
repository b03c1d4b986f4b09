"""From a step to days: failures, checkpoints, restarts, chip-hours, energy and cost.

References
----------
Young 1974 and Daly 2006: the best time between checkpoints is ``sqrt(2 x write time x time between failures)``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from chipwise.catalogue.catalogue import Catalogue
from chipwise.core.errors import ChipwiseError, InputError
from chipwise.core.fact import Estimate
from chipwise.core.units import SECONDS_PER_DAY
from chipwise.perf.power import board_power, node_power
from chipwise.perf.tables import Constant, read_rows
from chipwise.perf.train.run import Run

SECONDS_PER_HOUR = 3600.0
JOULES_PER_KWH = 3.6e6


@functools.cache
def day_constants() -> Mapping[str, Constant]:
    """Failure and checkpoint figures with range and source."""
    return {
        row["id"]: Constant(
            id=row["id"],
            value=float(row["value"]),
            low=float(row["low"]),
            high=float(row["high"]),
            unit=row["unit"],
            source=row["source"],
            note=row["note"],
        )
        for row in read_rows("train/days.csv")
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a run of many days loses.

    Parameters
    ----------
    failure_s, checkpoint_s, interval_s, restart_s : float
        Time between failures of the whole run; of writing a checkpoint; between checkpoints; of a restart.
    goodput : float
        Share of the calendar that computes steps that stay.
    """

    failure_s: float
    checkpoint_s: float
    interval_s: float
    restart_s: float
    goodput: float


def goodput(failure_s: float, checkpoint_s: float, restart_s: float) -> tuple[float, float]:
    """Best time between checkpoints, s, and the share of the calendar that is kept.

    Examples
    --------
    >>> interval, share = goodput(10_000.0, 50.0, 500.0)
    >>> round(interval), round(share, 3)
    (1000, 0.852)
    """
    interval = math.sqrt(2.0 * checkpoint_s * failure_s)
    lost = checkpoint_s / (interval + checkpoint_s) + (interval / 2.0 + restart_s) / failure_s
    return interval, max(1.0 - lost, 0.01)


def schedule_of(params: float, chips: float) -> tuple[Schedule, float, float]:
    """Central schedule of a run, and the goodput at both ends of the failure rate."""
    known = day_constants()
    write = known["checkpoint_bytes_per_param"].value * params
    write /= known["checkpoint_bytes_per_s_per_chip"].value * chips
    write, restart = max(write, 1.0), known["restart_s"].value
    rate = known["chip_hours_between_failures"]
    spans = [hours * SECONDS_PER_HOUR / chips for hours in (rate.value, rate.low, rate.high)]
    interval, share = goodput(spans[0], write, restart)
    ends = [goodput(span, write, restart)[1] for span in spans[1:]]
    central = Schedule(failure_s=spans[0], checkpoint_s=write, interval_s=interval, restart_s=restart, goodput=share)
    return central, min(ends), max(ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A run over a number of tokens.

    Parameters
    ----------
    days, chip_hours : Estimate
        Calendar, failures included.
    energy_kwh, cost_usd : Estimate or None
        None where the power, or the price, is not known.
    """

    tokens: float
    days: Estimate
    chip_hours: Estimate
    energy_kwh: Estimate | None
    cost_usd: Estimate | None
    schedule: Schedule

    @property
    def breakdown(self) -> dict[str, float]:
        """Seconds of the schedule, and the goodput."""
        plan = self.schedule
        return {
            "hours between failures": plan.failure_s / SECONDS_PER_HOUR,
            "checkpoint seconds": plan.checkpoint_s,
            "minutes between checkpoints": plan.interval_s / 60.0,
            "restart minutes": plan.restart_s / 60.0,
            "goodput": plan.goodput,
        }


def days_of(run: Run, tokens: float, catalogue: Catalogue, *, usd_per_chip_hour: float | None = None) -> Days:
    """Days, chip-hours, energy and cost of `tokens`.

    Raises
    ------
    InputError
        Tokens or price out of range.
    """
    if not 0.0 < tokens < math.inf:
        raise InputError(f"{tokens!r} is no number of tokens", place="tokens", allowed="a positive number")
    if usd_per_chip_hour is not None and not 0.0 <= usd_per_chip_hour < math.inf:
        raise InputError(f"{usd_per_chip_hour!r} is no price", place="usd per chip-hour", allowed="0 or more")
    plan, worst, best = schedule_of(run.model.params_total, run.chips)
    steps, step = tokens / run.tokens_per_step, run.step_s
    days = Estimate(
        value=steps * step.value / plan.goodput / SECONDS_PER_DAY,
        low=steps * step.low / best / SECONDS_PER_DAY,
        high=steps * step.high / worst / SECONDS_PER_DAY,
        unit="day",
        method="steps x time of a step / goodput; checkpoints at the Young-Daly interval",
        evidence=step.evidence,
        facts=step.facts,
    )
    hours = days.scaled(24.0 * run.chips, "chip-hour")
    return Days(
        tokens=tokens,
        days=days,
        chip_hours=hours,
        energy_kwh=_energy(run, days, catalogue),
        cost_usd=None if usd_per_chip_hour is None else hours.scaled(usd_per_chip_hour, "USD"),
        schedule=plan,
    )


def draw_of(run: Run, catalogue: Catalogue) -> Estimate | None:
    """Power of all servers of a run while it computes, W; None where a figure of the chip is not known."""
    system = catalogue.server_of(run.chip.id)
    share = {"fp8": "8-bit", "fp4": "4-bit"}.get(run.precision, "16-bit")
    streams = run.step_s.breakdown.get("memory passes", 0.0) / run.step_s.value
    try:
        board = board_power(run.chip, min(run.mfu.value, 1.0), min(streams, 1.0), precision=share)
        node = node_power(run.chip, system, board, chips=1)
    except ChipwiseError:
        return None
    return node.scaled(run.chips / (system.chips if system else 1), "W")


def _energy(run: Run, days: Estimate, catalogue: Catalogue) -> Estimate | None:
    draw = draw_of(run, catalogue)
    if draw is None:
        return None
    kwh = SECONDS_PER_DAY / JOULES_PER_KWH
    return Estimate(
        value=draw.value * days.value * kwh,
        low=draw.low * days.low * kwh,
        high=draw.high * days.high * kwh,
        unit="kWh",
        method="draw of the servers over the calendar of the run; cooling not included",
        evidence=draw.evidence,
        facts=draw.facts,
    )
