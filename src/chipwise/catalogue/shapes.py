"""Every dimension of an architecture, as the parameter formula and the physics need it."""

from __future__ import annotations

from dataclasses import dataclass

from chipwise.core.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionGroup:
    """Layers that share one kind of softmax attention.

    Parameters
    ----------
    kind : str
        ``full``, ``window``, ``mla`` or ``compressed``.
    layers, heads, kv_heads : int
    head_dim, value_dim : int
        Width of a query-key head and of a value head.
    window : int or None
        Tokens, for ``window``.
    cache_dim : int or None
        Elements cached per token and layer, where it is not ``kv_heads * (head_dim + value_dim)`` (MLA).
    reuse_kv : int
        Layers of the group whose keys and values come from an earlier layer.
    k_eq_v : bool
        One projection serves as key and value.
    """

    kind: str
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int | None = None
    cache_dim: int | None = None
    reuse_kv: int = 0
    k_eq_v: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Dimensions of one architecture; None or 0 where a part does not occur.

    Widths and ranks are in elements, `linear_detail` holds the sizes of a linear layer by name.
    """

    layers: int
    hidden: int
    ffn_hidden: int
    gated_mlp: bool
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied_embeddings: bool
    attention: str
    attention_groups: tuple[AttentionGroup, ...]
    attention_pattern: str = ""
    full_attn_layers: int = 0
    window_attn_layers: int = 0
    sliding_window: int | None = None
    mla_q_lora_rank: int | None = None
    mla_kv_lora_rank: int | None = None
    mla_qk_nope_dim: int | None = None
    mla_qk_rope_dim: int | None = None
    mla_v_dim: int | None = None
    index_heads: int | None = None
    index_head_dim: int | None = None
    index_topk: int | None = None
    index_layers: int | None = None
    linear_kind: str = ""
    linear_layers: int = 0
    linear_detail: tuple[tuple[str, int], ...] = ()
    n_experts: int | None = None
    top_k: int | None = None
    n_shared_experts: int = 0
    expert_ffn_hidden: int = 0
    shared_ffn_hidden: int = 0
    expert_latent_dim: int | None = None
    first_dense_layers: int = 0
    moe_layers: int = 0
    dense_mlp_layers: int = 0
    moe_pattern: str = ""
    mtp_layers: int = 0
    qk_norm: str = "none"
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    norm: str = "rmsnorm"
    norms_per_layer: int = 2
    position: str = ""
    learned_positions: int = 0
    special: str = ""
    extra_params: float = 0.0


def parse_groups(text: str, *, place: str = "") -> tuple[AttentionGroup, ...]:
    """Read ``full:n=12,H=40,K=8,d=128;win8192:n=36,H=40,K=8,d=128``.

    Raises
    ------
    DataError
        When a part cannot be read.
    """
    return tuple(_group(part, place) for part in text.split(";") if part.strip())


def _group(text: str, place: str) -> AttentionGroup:
    kind, _, rest = text.strip().partition(":")
    sizes = dict(parse_sizes(rest, place=place))
    window = None
    if kind.startswith("win"):
        digits = kind[3:]
        window, kind = (int(digits) if digits.isdigit() else 0), "window"
    width = sizes.get("qk", sizes.get("d", 0))
    if kind not in {"full", "window", "mla", "compressed"} or window == 0 or not sizes.get("n") or not width:
        raise DataError(
            f"{text!r} is no attention group", place=place, allowed="full|winN|mla|compressed:n=..,H=..,K=..,d=.."
        )
    return AttentionGroup(
        kind=kind,
        layers=sizes["n"],
        heads=sizes.get("H", 0),
        kv_heads=sizes.get("K", sizes.get("H", 0)),
        head_dim=width,
        value_dim=sizes.get("v", width),
        window=window,
        cache_dim=sizes.get("cache"),
        reuse_kv=sizes.get("reuse_kv", 0),
        k_eq_v=bool(sizes.get("k_eq_v", 0)),
    )


def parse_sizes(text: str, *, place: str = "") -> tuple[tuple[str, int], ...]:
    """Read ``heads=64,head_dim=128`` into pairs."""
    pairs = []
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if not name:
            continue
        if not value.isdigit():
            raise DataError(f"{part!r} is no size", place=place, allowed="name=whole number, separated by commas")
        pairs.append((name, int(value)))
    return tuple(pairs)


def groups_text(groups: tuple[AttentionGroup, ...]) -> str:
    """Write attention groups as `parse_groups` reads them."""
    parts = []
    for group in groups:
        kind = f"win{group.window}" if group.kind == "window" else group.kind
        if group.kind == "mla":
            sizes = f"n={group.layers},H={group.heads},qk={group.head_dim},v={group.value_dim},cache={group.cache_dim}"
        else:
            sizes = f"n={group.layers},H={group.heads},K={group.kv_heads},d={group.head_dim}"
            sizes += f",v={group.value_dim}" if group.value_dim != group.head_dim else ""
            sizes += f",reuse_kv={group.reuse_kv}" if group.reuse_kv else ""
            sizes += ",k_eq_v=1" if group.k_eq_v else ""
        parts.append(f"{kind}:{sizes}")
    return ";".join(parts)
