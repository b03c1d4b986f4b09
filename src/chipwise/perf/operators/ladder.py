"""The ladder of evidence: a chip's own table, then its family's, then everyone's scaled by the data sheet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chipwise.catalogue.objects import Chip
from chipwise.perf.operators.law import Law, Widths, node_work
from chipwise.perf.operators.objects import FAMILY, GENERIC, OWN
from chipwise.perf.operators.precision import CACHE_BYTES, PRECISIONS, SIXTEEN_BIT
from chipwise.perf.operators.tables import RATIO_STEPS, TableRow, index, ratios
from chipwise.perf.peaks import usable_memory_kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

HEAD_WIDTHS = ("64", "128", "192", "256", "512")
"""Head dimensions with tables, ascending."""

LATENT_SCORE, LATENT_VALUE = 192.0, 128.0
"""Score and value width of a head of latent attention in prefill (DeepSeek-V2 and V3)."""

CACHED_SCORE, CACHED_VALUE = 576.0, 512.0
"""The same in decode, where heads share one cached latent vector."""

UNLIKE = 0.5
"""Weight of kernels of another vendor, and of another kind of memory, on the lowest rung (a rule, not a fit)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """How one operator is tabled.

    Parameters
    ----------
    grid : str
    variants : tuple of str
        Head dimensions, routings, or one empty name.
    precisions : tuple of str
    scaled : tuple of bool
        Axes along which time grows in proportion past the last node.
    """

    grid: str
    variants: tuple[str, ...]
    precisions: tuple[str, ...]
    scaled: tuple[bool, bool, bool]
    node_work: Callable[[str, str], tuple[Array, Array]]
    peak: Callable[[str], str]


def _widths_work(grid: str) -> Callable[[str, str], tuple[Array, Array]]:
    return lambda precision, _: node_work(grid, PRECISIONS[precision].widths, 0.0, 0.0, 0.0)


def _attention_work(grid: str, latent: tuple[float, float] | None) -> Callable[[str, str], tuple[Array, Array]]:
    def work(precision: str, variant: str) -> tuple[Array, Array]:
        score, value = latent or (float(variant), float(variant))
        cached = score if latent else score + value
        each = CACHE_BYTES[precision.split("/")[-1]] * cached
        return node_work(grid, Widths(activation=2.0, weight=2.0), score, value, each)

    return work


def _matrix_peak(precision: str) -> str:
    return PRECISIONS[precision].peak


def _attention_peak(precision: str) -> str:
    return "fp8" if precision == "fp8" else "16-bit"


def _sixteen_bit(_: str) -> str:
    return "16-bit"


_GEMM = tuple(name for name, row in PRECISIONS.items() if row.table)
_MOE = tuple(name for name, row in PRECISIONS.items() if row.moe_table)
_PREFILL = ("bf16", "bf16/fp8", "fp8")
_DECODE = ("bf16", "fp8")
_ALL = (True, True, True)
_PAIRS = (True, True, False)


def _attention(grid: str, precisions: tuple[str, ...], peak: Callable[[str], str]) -> Operator:
    scaled = _ALL if grid == "prefill" else _PAIRS
    work = _attention_work(grid, None)
    return Operator(grid=grid, variants=HEAD_WIDTHS, precisions=precisions, scaled=scaled, node_work=work, peak=peak)


def _latent(grid: str, latent: tuple[float, float]) -> Operator:
    scaled = _ALL if grid == "prefill" else _PAIRS
    work = _attention_work(grid, latent)
    return Operator(grid=grid, variants=("",), precisions=_DECODE, scaled=scaled, node_work=work, peak=_sixteen_bit)


OPERATORS: dict[str, Operator] = {
    "gemm": Operator(
        grid="gemm", variants=("",), precisions=_GEMM, scaled=_ALL, node_work=_widths_work("gemm"), peak=_matrix_peak
    ),
    "prefill": _attention("prefill", _PREFILL, _attention_peak),
    "prefill_window": _attention("prefill", _PREFILL, _attention_peak),
    "decode": _attention("decode", _DECODE, _sixteen_bit),
    "decode_window": _attention("decode", _DECODE, _sixteen_bit),
    "mla_prefill": _latent("prefill", (LATENT_SCORE, LATENT_VALUE)),
    "mla_decode": _latent("decode", (CACHED_SCORE, CACHED_VALUE)),
    "moe": Operator(
        grid="moe",
        variants=("balanced", "natural"),
        precisions=_MOE,
        scaled=(True, False, True),
        node_work=_widths_work("moe"),
        peak=_matrix_peak,
    ),
}
"""Every tabled operator."""


def family_of(chip: Chip) -> str:
    """Vendor, first word of the architecture and kind of memory; empty where no architecture is known.

    Examples
    --------
    >>> from chipwise.catalogue import load_catalogue
    >>> family_of(load_catalogue().chip("h20-96"))
    'NVIDIA/Hopper/hbm'
    """
    word = chip.architecture.split(" ")[0]
    return f"{chip.vendor}/{word}/{usable_memory_kind(chip)}" if word else ""


def peak_of(chip: Chip, name: str, *, borrow: bool = False) -> float | None:
    """Dense rate by name, FLOP/s; ``16-bit`` is bf16, else fp16.

    `borrow` lets a format without a rate of its own run at the 16-bit rate: kernels that convert first.
    """
    sixteen = next((chip.rates[each] for each in SIXTEEN_BIT if chip.rates.get(each)), None)
    if name == "16-bit":
        return sixteen
    return chip.rates.get(name) or (sixteen if borrow else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A law and node ratios for one chip, with the tables behind them."""

    law: Law
    log2_ratio: Array
    evidence: int
    rows: tuple[TableRow, ...]
    exact: bool

    @property
    def middle_over_best(self) -> float:
        """Geometric mean of the tables used."""
        import math

        return math.exp(sum(math.log(row.middle_over_best) for row in self.rows) / len(self.rows))


def resolve(chip: Chip, operator: str, precision: str, variant: str, without: Collection[str] = ()) -> Resolved | None:
    """First rung with a table; None where no chip at all was measured at that precision.

    Parameters
    ----------
    without : collection of str
        Chips whose tables must not be used, for judging the ladder.
    """
    rows = [
        row for row in index() if row.operator == operator and row.precision == precision and row.chip not in without
    ]
    family = family_of(chip)
    rungs = (
        (OWN, [row for row in rows if row.chip == chip.id]),
        (FAMILY, [row for row in rows if family and row.family == family]),
        (GENERIC, rows),
    )
    for evidence, found in rungs:
        near = _nearest_variant(found, variant)
        if near:
            return _blend(chip, near, evidence, exact=near[0].variant == variant)
    return None


def _nearest_variant(rows: Sequence[TableRow], variant: str) -> list[TableRow]:
    """Rows of that variant, else of the head dimension nearest to it."""
    exact = [row for row in rows if row.variant == variant]
    if exact or not variant.isdigit():
        return exact
    if not rows:
        return []
    wanted = int(variant)
    best = min({int(row.variant) for row in rows}, key=lambda width: (abs(width - wanted), -width))
    return [row for row in rows if row.variant == str(best)]


def _blend(chip: Chip, rows: Sequence[TableRow], evidence: int, *, exact: bool) -> Resolved:
    """Middle of tables in logarithms: the mean within a family, then the weighted median over families."""
    import numpy as np

    stored = ratios(rows[0].grid)
    families: dict[str, list[TableRow]] = {}
    for row in rows:
        families.setdefault(row.family, []).append(row)
    laws, blends = [], []
    for each in families.values():
        logs = np.log([[row.law.compute, row.law.memory, row.law.exponent, row.law.launch_s] for row in each])
        laws.append(logs.mean(axis=0))
        blends.append(stored[[row.row for row in each]].astype(np.float64).mean(axis=0))
    weights = np.array([likeness(chip, family, rows[0].grid) for family in families])
    compute, memory, exponent, launch = (float(value) for value in np.exp(weighted_median(np.array(laws), weights)))
    return Resolved(
        law=Law(compute=compute, memory=memory, exponent=exponent, launch_s=launch),
        log2_ratio=weighted_median(np.stack(blends), weights) / RATIO_STEPS,
        evidence=evidence,
        rows=tuple(rows),
        exact=exact,
    )


def likeness(chip: Chip, family: str, grid: str) -> float:
    """Weight of a family's kernels for a chip: half for another vendor, half for another kind of memory.

    The memory does not count in prefill, which arithmetic binds.

    Examples
    --------
    >>> from chipwise.catalogue import load_catalogue
    >>> likeness(load_catalogue().chip("l4"), "NVIDIA/Hopper/hbm", "gemm")
    0.5
    """
    vendor, _, memory = family.split("/") if family else ("", "", "")
    weight = 1.0 if vendor == chip.vendor else UNLIKE
    if grid != "prefill" and memory != usable_memory_kind(chip):
        weight *= UNLIKE
    return weight


def weighted_median(values: Array, weights: Array) -> Array:
    """Along the first axis; the middle of the two where half of the weight lies on either side."""
    import numpy as np

    order = np.argsort(values, axis=0, kind="stable")
    ranked = np.take_along_axis(values, order, axis=0)
    share = np.cumsum(weights[order], axis=0) / weights.sum()
    lower = np.argmax(share >= 0.5 - 1e-9, axis=0)[None]
    upper = np.argmax(share > 0.5 + 1e-9, axis=0)[None]
    both = np.take_along_axis(ranked, lower, axis=0) + np.take_along_axis(ranked, upper, axis=0)
    return np.asarray(0.5 * both[0])
