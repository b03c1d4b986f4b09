"""The free terms of the model: values with prior, width and source, from one commented file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from chipwise.perf.tables import read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Free terms; each is explained, with prior and fitted value, in ``data/perf/train/terms.csv``."""

    gemm16: float = 0.82
    gemm8: float = 1.0
    gemm4: float = 0.8
    anchor: float = 0.5
    ridge: float = 0.8
    area: float = 0.10
    watts: float = 0.12
    expert: float = 1.27
    flash: float = 0.42
    flash_step: float = 1.15
    flash_length: float = 900.0
    head_width: float = 0.3
    plain_core: float = 0.45
    plain_passes: float = 10.0
    elementwise: float = 1.0
    cast: float = 0.6
    accumulate: float = 0.6
    permute: float = 1.0
    host_op_s: float = 30e-6
    graphs: float = 0.33
    compiled: float = 0.05
    routed_ops: float = 40.0
    gap_s: float = 2e-6
    sync_s: float = 150e-6
    scan: float = 1.0
    moe_year: float = 1.15
    exposed_tp: float = 0.55
    exposed_cp: float = 0.46
    exposed_ep: float = 0.5
    exposed_pp: float = 0.45
    exposed_dp: float = 0.5
    exposed_fsdp: float = 0.16
    link: float = 0.72
    network: float = 0.8
    latency_s: float = 9e-6
    hop_s: float = 14e-6
    imbalance: float = 0.75
    optimizer: float = 1.0
    step_s: float = 8e-3
    straggler: float = 0.007
    youth: float = 0.13
    community: float = 1.08
    natural: float = 1.12
    power: float = 0.45
    family: Mapping[str, float] = field(default_factory=dict)
    chip: Mapping[str, float] = field(default_factory=dict)

    def reach(self, family: str, chip: str) -> float:
        """Compute reached by a chip relative to the general law."""
        return self.family.get(family, 1.0) * self.chip.get(chip, 1.0)


@functools.cache
def shipped_terms() -> Terms:
    """The fitted terms.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    values: dict[str, float] = {}
    family: dict[str, float] = {}
    chip: dict[str, float] = {}
    for row in read_rows("train/terms.csv"):
        kind, _, name = row["term"].partition(":")
        if kind == "family":
            family[name] = float(row["value"])
        elif kind == "chip":
            chip[name] = float(row["value"])
        else:
            values[kind] = float(row["value"])
    return Terms(**values, family=family, chip=chip)
