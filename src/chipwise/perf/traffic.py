"""How full a fleet sized for the peak is over the day."""

from __future__ import annotations

import functools

from chipwise.core.fact import Estimate
from chipwise.perf.tables import read_rows


@functools.cache
def day_load_factor() -> Estimate:
    """Mean over peak of the request rate, share: a fleet that meets the peak works this part of the time.

    Notes
    -----
    Reciprocal of peak to mean of three chat classes in ten-minute windows over one to fourteen days; the value is
    that of the middle class, the interval the range of all three. Source: ServeGen (Alibaba Cloud, Apache-2.0).
    """
    rows = read_rows("day_load.csv")
    shares = sorted(1.0 / float(row["peak_to_mean"]) for row in rows)
    return Estimate(
        value=shares[len(shares) // 2],
        low=shares[0],
        high=shares[-1],
        unit="",
        method="mean over peak of ten-minute request rates; range of three production chat classes",
        evidence="scenario",
        breakdown={row["class"]: 1.0 / float(row["peak_to_mean"]) for row in rows},
        facts=tuple(f"perf/day_load#{row['class']}" for row in rows),
    )
