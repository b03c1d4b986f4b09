"""`chipwise perf`: what one operator costs on one chip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, SVG, catalogue_with, write_picture
from chipwise.cli.output import print_json, print_table
from chipwise.cli.perf_collectives import collectives_command
from chipwise.cli.perf_power import power_command
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.catalogue.catalogue import Catalogue
    from chipwise.perf.calibration import Measurement
    from chipwise.perf.operators import OperatorProfile
    from chipwise.perf.operators.sheet import OperatorPoint

app = typer.Typer(
    help="Operators and collectives on a chip: time, FLOP and bytes, with the evidence per point.", no_args_is_help=True
)

app.command("collectives")(collectives_command)
app.command("power")(power_command)

LIST = "A number, several (1,16,256) or powers of two (1..4096)."


@app.callback()
def perf() -> None:
    """Operators and collectives on a chip: time, FLOP and bytes, with the evidence per point."""


def numbers(text: str, option: str) -> list[float]:
    """Read ``4096``, ``1,16,256`` or ``1..4096`` (doubling).

    Raises
    ------
    InputError
        Not numbers, or a range that does not rise.
    """
    out: list[float] = []
    for part in text.split(","):
        low, dots, high = part.partition("..")
        try:
            first, last = float(low), float(high if dots else low)
        except ValueError:
            raise InputError(f"{part!r} is no number", place=option, allowed="4096, 1,16,256 or 1..4096") from None
        if not 0.0 <= first <= last < 1e18 or (dots and first == 0.0):
            raise InputError(f"{part!r} is no range of sizes", place=option, allowed="rising positive numbers")
        out.append(first)
        while dots and out[-1] * 2.0 <= last:
            out.append(out[-1] * 2.0)
    return out


@app.command("ops")
def ops_command(
    chip: str | None = typer.Option(
        None, "--chip", help="Chip, any spelling of `chipwise chips list`, or your own (--catalog)."
    ),
    op: str = typer.Option("gemm", "--op", help="gemm, attention-prefill, attention-decode, moe, …; `--op list`."),
    m: str = typer.Option("", "--m", help=f"Rows of a product, tokens. {LIST}"),
    n: str = typer.Option("", "--n", help="Columns of the weight."),
    k: str = typer.Option("", "--k", help="Depth of the product."),
    groups: str = typer.Option("", "--groups", help="Products in one call, weights of their own."),
    sequences: str = typer.Option("", "--sequences", help="Sequences in the batch."),
    prompts: str = typer.Option("", "--prompts", help="Chunks of prompts in a mixed batch, of --tokens each."),
    prompt_context: str = typer.Option("", "--prompt-context", help="Tokens of each prompt already in the cache."),
    tokens: str = typer.Option("", "--tokens", help="New tokens a sequence (attention), or tokens in all."),
    context: str = typer.Option("", "--context", help="Tokens in the cache of each sequence."),
    heads: str = typer.Option("", "--heads", help="Query heads on this chip."),
    kv_heads: str = typer.Option("", "--kv-heads", help="Cache heads on this chip."),
    head_dim: str = typer.Option("", "--head-dim", help="Width of a head."),
    window: str = typer.Option("", "--window", help="Sliding window, tokens."),
    density: str = typer.Option("", "--density", help="Share of the blocks kept (block-sparse attention)."),
    key_dim: str = typer.Option("", "--key-dim", help="Keys of a linear-attention state, or size of the state."),
    value_dim: str = typer.Option("", "--value-dim", help="Values of a linear-attention state."),
    chunk: str = typer.Option("", "--chunk", help="Tokens of a chunk of linear attention."),
    hidden: str = typer.Option("", "--hidden", help="Width of the model."),
    width: str = typer.Option("", "--width", help="Inner width of an expert or of the activation."),
    top_k: str = typer.Option("", "--top-k", help="Experts a token takes."),
    experts: str = typer.Option("", "--experts", help="Experts in all."),
    tensor: str = typer.Option("", "--tensor", help="Ways the width of each expert is split."),
    expert_parallel: str = typer.Option("", "--expert-parallel", help="Ways the experts are split."),
    vocab: str = typer.Option("", "--vocab", help="Vocabulary."),
    parameters: str = typer.Option("", "--parameters", help="Weights the optimizer updates on this chip."),
    size: str = typer.Option("", "--bytes", help="Bytes of cache to copy."),
    element_bytes: str = typer.Option("", "--element-bytes", help="Bytes of an element of memory-bound operators."),
    state_bytes: str = typer.Option("", "--state-bytes", help="Bytes of an element of a linear-attention state."),
    from_bytes: str = typer.Option("", "--from-bytes", help="Bytes of an element before quantising."),
    to_bytes: str = typer.Option("", "--to-bytes", help="Bytes of an element after quantising."),
    per_parameter: str = typer.Option("", "--bytes-per-parameter", help="Bytes the optimizer moves a weight."),
    dtype: str = typer.Option(
        "bf16",
        "--dtype",
        help="bf16, fp16, fp8, fp8_block, fp8_static, fp4, int8, int8_wo, int4_wo; experts: mxfp4_wo too.",
    ),
    kv_dtype: str = typer.Option("bf16", "--kv-dtype", help="Cache: bf16 or fp8."),
    routing: str = typer.Option("balanced", "--routing", help="Experts: balanced or natural (skewed)."),
    mixing: str = typer.Option(
        "fused",
        "--mixing",
        help="Mixed batch: fused, one kernel for prompts and decodes; separate, one after the other.",
    ),
    kernels: str = typer.Option("best", "--kernels", help="best: fastest engine measured; median: the middle of them."),
    engine: str | None = typer.Option(
        None, "--engine", help="Engine: median kernels and a wider interval, since tables keep no engine apart."
    ),
    version: str | None = typer.Option(None, "--engine-version", help="Version of --engine: wider again."),
    calibration: Path | None = typer.Option(None, "--calibration", help="Own timings (calibration.yaml)."),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines, SI units."),
    svg: Path | None = SVG,
    catalog: list[Path] = CATALOG,
) -> None:
    """Time of an operator at every combination of the sizes given, with 90 % interval, bound and evidence."""
    from chipwise.perf.operators import operator_profile
    from chipwise.perf.operators.entries import Settings
    from chipwise.perf.operators.sheet import operator_points

    if op == "list":
        _list_operators(as_json)
        return
    if chip is None:
        raise InputError("no chip", place="--chip", allowed="a chip of `chipwise chips list`, or --op list alone")
    given = {
        "m": m,
        "n": n,
        "k": k,
        "groups": groups,
        "sequences": sequences,
        "tokens": tokens,
        "context": context,
        "heads": heads,
        "kv-heads": kv_heads,
        "head-dim": head_dim,
        "window": window,
        "density": density,
        "key-dim": key_dim,
        "value-dim": value_dim,
        "chunk": chunk,
        "hidden": hidden,
        "width": width,
        "top-k": top_k,
        "experts": experts,
        "tensor": tensor,
        "expert-parallel": expert_parallel,
        "vocab": vocab,
        "parameters": parameters,
        "bytes": size,
        "prompts": prompts,
        "prompt-context": prompt_context,
        "element-bytes": element_bytes,
        "state-bytes": state_bytes,
        "from-bytes": from_bytes,
        "to-bytes": to_bytes,
        "bytes-per-parameter": per_parameter,
    }
    dims = {name: numbers(text, f"--{name}") for name, text in given.items() if text}
    catalogue = catalogue_with(catalog)
    profile = operator_profile(
        catalogue.chip(chip),
        kernels=kernels,
        engine=engine,
        version=version,
        calibration=None if calibration is None else _own_timings(calibration, catalogue),
    )
    points = operator_points(
        profile, op, dims, Settings(dtype=dtype, kv_dtype=kv_dtype, routing=routing, mixing=mixing)
    )
    if as_json:
        print_json(_record(profile, op, points))
    else:
        _print_points(profile, op, points, set(dims))
    if svg is not None:
        _draw(profile, op, dtype, points, svg, quiet=as_json)


def _own_timings(path: Path, catalogue: Catalogue) -> tuple[Measurement, ...]:
    from chipwise.perf.calibration_file import read_calibration

    return read_calibration(path, catalogue)


def _list_operators(as_json: bool) -> None:
    from chipwise.perf.operators.operations import OPERATIONS

    rows = [(name, {**entry.defaults}, entry.optional) for name, entry in OPERATIONS.items()]
    if as_json:
        print_json({name: {"defaults": defaults, "optional": list(optional)} for name, defaults, optional in rows})
        return
    lines = [
        (
            name,
            ", ".join(f"--{dim} {value:g}" for dim, value in defaults.items()),
            ", ".join(f"--{o}" for o in optional),
        )
        for name, defaults, optional in rows
    ]
    print_table(lines, ["operator", "sizes and defaults", "optional"])


def _record(profile: OperatorProfile, op: str, points: list[OperatorPoint]) -> dict[str, Any]:
    return {
        "chip": profile.chip_id,
        "operator": op,
        "kernels": profile.kernels,
        "bytes_per_s": profile.bytes_per_s,
        "notes": list(profile.notes),
        "points": [point.to_dict() for point in points],
    }


def _print_points(profile: OperatorProfile, op: str, points: list[OperatorPoint], given: set[str]) -> None:
    first = points[0].dims
    varying = [name for name in first if len({point.dims[name] for point in points}) > 1]
    fixed = ", ".join(
        f"{name} {first[name]:,g}{'' if name in given else ' (default)'}" for name in first if name not in varying
    )
    head = f"{op} on {profile.chip_id}, {points[0].dtype}, {profile.kernels} kernels"
    typer.echo(f"{head}{': ' if fixed else ''}{fixed}")
    rows = [
        [
            *(f"{point.dims[name]:,g}" for name in varying),
            time_text(point.time_s),
            f"{time_text(point.low_s)} – {time_text(point.high_s)}",
            f"{100 * point.share_of_peak:.1f}",
            f"{100 * point.share_of_bandwidth:.1f}",
            point.bound,
            point.evidence,
        ]
        for point in points
    ]
    headers = [*varying, "time", "90 % interval", "% of peak", "% of bandwidth", "bound", "evidence"]
    print_table(rows, headers, right=tuple(range(len(varying) + 4)))
    tables = sorted({table for point in points for table in point.tables})
    if tables:
        typer.echo(f"Kernels of: {', '.join(tables)}.")
    for note in profile.notes:
        typer.echo(f"Note: {note}.")


def time_text(seconds: float) -> str:
    """A time in s, ms or us."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def _draw(
    profile: OperatorProfile, op: str, dtype: str, points: list[OperatorPoint], path: Path, *, quiet: bool
) -> None:
    from chipwise.perf.operators.roofline import roofline_svg

    peak = max(point.flop / (point.share_of_peak * point.time_s) for point in points if point.share_of_peak > 0.0)
    picture = roofline_svg(f"{op} on {profile.chip_id}, {dtype}", peak, profile.bytes_per_s, points)
    write_picture(path, picture, quiet=quiet)
