"""Chips, systems, prices, supply and model shapes as frozen objects in SI units."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from chipwise.catalogue.frozen import FrozenMapping
from chipwise.catalogue.shapes import ModelShape
from chipwise.core.fact import Status
from chipwise.core.notebook import shown_in_notebook

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One accelerator as sold (per package; see the catalogue notes for per-die exceptions).

    Parameters
    ----------
    rates : mapping of str to float
        Dense peak by precision, FLOP/s (OP/s for integer formats); absent means not published.
    mem_bytes, mem_bytes_per_s : float or None
        Memory size, byte (GB = 1e9), and its bandwidth, byte/s.
    link_bytes_per_s_per_dir : float or None
        Sum of the scale-up links in one direction, byte/s.
    die_area_mm2 : float or None
        All non-planar logic dies of the package, mm².
    published_tpp : float or None
        TPP printed by a source; our own is `chipwise.catalogue.measures.tpp`.
    rate_ranges : mapping of str to (float, float)
        Range of a rate by precision where the chip's figure is one, FLOP/s; empty for most chips.
    field_ranges : mapping of str to (float, float)
        Range of other figures by attribute (``mem_bytes``, ``tdp_w``), SI.
    matrix_rates_known : bool
        False where a vector rate is known but the matrix rates are not: TPP is then only bounded below.
    network_bytes_per_s_bidir : float
        Network ports on the chip that are not scale-up links, both directions added, byte/s.
    cross_check : str
        Agreement with another database; both figures are kept.
    origin : str
        User file the row comes from or was changed by; empty for the shipped catalogue.
    overridden : tuple of str
        Figures that `origin` changed in a shipped row; the others keep source and status.
    """

    id: str
    name: str
    vendor: str
    vendor_country: str
    architecture: str
    announced: str
    released: str
    end_of_sale: str
    status: str
    form_factor: str
    market: str
    node: str
    foundry: str
    non_planar: bool | None
    die_area_mm2: float | None
    logic_dies: int | None
    rates: Mapping[str, float]
    mem_bytes: float | None
    mem_type: str
    mem_bytes_per_s: float | None
    link_name: str
    link_bytes_per_s_per_dir: float | None
    scaleup_domain: int | None
    pcie_gen: float | None
    pcie_lanes: int | None
    tdp_w: float | None
    china_variant_of: str
    published_tpp: float | None
    confidence: str
    notes: str
    sources: str
    as_of: str
    checked_on: dt.date | None
    fact_status: Status
    rate_ranges: Mapping[str, Range] = field(default_factory=FrozenMapping)
    field_ranges: Mapping[str, Range] = field(default_factory=FrozenMapping)
    matrix_rates_known: bool = True
    network_bytes_per_s_bidir: float = 0.0
    die_note: str = ""
    transistors: float | None = None
    llc_bytes: float | None = None
    published_tpp_source: str = ""
    cross_check: str = ""
    origin: str = ""
    overridden: tuple[str, ...] = ()

    _repr_html_ = shown_in_notebook


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One server, rack or cloud instance.

    Parameters
    ----------
    chips : int
        Accelerators inside, of one type (`chip_id`).
    fabric_bytes_per_s_per_dir : float or None
        Scale-up bandwidth of one chip, one direction, byte/s.
    scaleout_bytes_per_s_per_chip : float or None
        Network bandwidth of one chip, one direction, byte/s.
    node_power_w : float or None
        Maximum draw, W.
    """

    id: str
    name: str
    chip_id: str
    chips: int
    vendor: str
    year: str
    fabric: str
    fabric_bytes_per_s_per_dir: float | None
    topology: str
    nics: int | None
    scaleout_bytes_per_s_per_chip: float | None
    node_power_w: float | None
    price_usd: float | None
    price_date: str
    price_kind: str
    price_source: str
    confidence: str
    notes: str
    sources: str
    nic_bytes_per_s: float | None = None
    host_cpu: str = ""
    host_cpus: int | None = None
    origin: str = ""

    _repr_html_ = shown_in_notebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One price observation; grey-market rows are market facts, never buying options."""

    id: str
    item_id: str
    date: str
    place: str
    kind: str
    basis: str
    term: str
    usd_per_chip: float | None
    usd_per_gpu_hour: float | None
    reliability: str
    note: str
    source: str
    item_label: str = ""
    date_precision: str = ""
    currency: str = "USD"
    amount: float | None = None
    amount_high: float | None = None
    usd: float | None = None
    chips_covered: int = 1
    usd_basis: str = ""
    read_in_source: bool | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """One supply observation; orders and approvals are not deliveries."""

    id: str
    year: str
    period: str
    subject: str
    role: str
    place: str
    chip_id: str
    measure: str
    units_low: float | None
    units: float | None
    units_high: float | None
    value_usd: float | None
    kind: str
    as_of: str
    reliability: str
    note: str
    source: str
    chip_label: str = ""
    read_in_source: bool | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One spelling of a chip.

    Parameters
    ----------
    chip_id : str
        Empty on purpose where the spelling names no single chip.
    per_unit : float
        Catalogue packages per unit of the source: 0.5 where it counts dies.
    """

    alias: str
    chip_id: str
    per_unit: float
    where_used: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One architecture: what a step computes and what a token stores.

    A row known by its announced size only has no layers; the figures that come from a shape are then NaN and
    `has_shape` is False (`Catalogue.model` refuses it unless asked).

    Parameters
    ----------
    params_total, params_active, params_matmul_active : float
        Weights in all; used per token; multiplied per token (output head included, input table not).
    kv_elems_per_token, kv_elems_per_token_window, state_elems_per_sequence : float
        Cache elements (not bytes): growing with context, held for the last `sliding_window` tokens, fixed.
    attn_score_dim_full, attn_score_dim_window : float
        Attention core FLOP per query token = 2 (full * context + window * min(context, sliding_window)).
    params_published, params_active_published : float or None
        As the maker prints them; laboratories count active weights differently.
    params_attn, params_mtp : float
        Weights of attention; weights of extra blocks that predict further tokens, outside `params_total`.
    index_elems_per_token : float
        Cache elements of a sparse indexer, per token of context.
    shape : ModelShape or None
        Every dimension of the architecture.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    family: str
    vendor: str
    vendor_country: str
    release_date: str
    kind: str
    layers: int | None
    hidden: int | None
    ffn_hidden: int | None
    heads: int | None
    kv_heads: int | None
    head_dim: int | None
    vocab: int | None
    max_context: int | None
    attention: str
    sliding_window: int | None
    n_experts: int | None
    top_k: int | None
    params_total: float
    params_active: float
    params_matmul_active: float
    params_embedding_table: float
    kv_elems_per_token: float
    kv_elems_per_token_window: float
    state_elems_per_sequence: float
    attn_score_dim_full: float
    attn_score_dim_window: float
    native_precision: str
    train_tokens: float | None
    confidence: str
    evidence: str
    sources: str
    notes: str
    params_published: float | None = None
    params_active_published: float | None = None
    params_attn: float = 0.0
    params_mtp: float = 0.0
    index_elems_per_token: float = 0.0
    shape: ModelShape | None = None
    origin: str = ""

    _repr_html_ = shown_in_notebook

    @property
    def has_shape(self) -> bool:
        """False for a row known by its announced size only."""
        return self.layers is not None
