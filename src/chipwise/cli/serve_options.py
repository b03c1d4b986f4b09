"""Options the serving commands share, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.serving.trace import Trace

MODEL = typer.Option(..., "--model", help="Model, any spelling of `chipwise models list`.")
TRACE = typer.Option(
    ...,
    "--trace",
    help="azure, mooncake, sharegpt, FILE, poisson:RATE:IN:OUT[:N], gamma:RATE:CV:IN:OUT, diurnal:…, "
    "servegen:CLASS:RATE[:HOURS], sessions:…; 'A + B' at once, 'A then B' in turn.",
)
ENGINE = typer.Option("vllm", "--engine", help="vllm, sglang or sarathi: scheduler and its defaults.")
SCALE = typer.Option(1.0, "--scale", help="Times the rate of the trace: the same requests sent faster.")
COPIES = typer.Option(None, "--copies", help="So many independent copies of the trace laid over one another.")
SEED = typer.Option(0, "--seed", help="Seed of everything drawn.")
REQUESTS = typer.Option(10_000, "--requests", help="Requests of a generated workload.")
JSON = typer.Option(False, "--json", help="JSON for machines.")
WEIGHTS = typer.Option("auto", "--weight-precision", help="Weights: auto, bf16, fp16, fp8, int8, fp4 or int4.")
COLUMN = typer.Option([], "--column", help="OURS=THEIRS: a file's column, such as input_tokens=prompt; repeatable.")
RATE = typer.Option(None, "--rate", help="Requests/s for a file without arrivals: they are drawn.")
TIME_UNIT = typer.Option(None, "--time-unit", help="s, ms, us or ns: of the file's arrivals.")
KEEP_STAMPS = typer.Option(
    False, "--keep-stamps", help="Do not spread requests stamped in steps of half a second or more."
)
CHARACTERS = typer.Option(None, "--characters-per-token", help="For a file of conversations in text.")


def workload_of(
    text: str,
    *,
    seed: int = 0,
    requests: int = 10_000,
    column: Sequence[str] = (),
    scale: float = 1.0,
    copies: float | None = None,
    rate: float | None = None,
    time_unit: str | None = None,
    characters: float | None = None,
    keep_stamps: bool = False,
) -> Trace:
    """The workload the options name."""
    from chipwise.serving.workload import load_workload

    pairs = dict(entry.partition("=")[::2] for entry in column)
    if any(not ours or not theirs for ours, theirs in pairs.items()):
        raise InputError("not OURS=THEIRS", place="--column", allowed="arrival_s=time, input_tokens=prompt, …")
    return load_workload(
        text,
        seed=seed,
        requests=requests,
        scale=scale,
        copies=copies,
        columns=pairs,
        rate_per_s=rate,
        time_unit=time_unit,
        characters_per_token=characters,
        keep_stamps=keep_stamps,
    )


def numbers_by_chip(entries: Sequence[str], place: str) -> dict[str, float]:
    """CHIP=NUMBER entries, several also in one, separated by commas."""
    out: dict[str, float] = {}
    for part in (part.strip() for entry in entries for part in entry.split(",")):
        name, _, text = part.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not name or not 0 < value < math.inf:
            raise InputError(f"{part!r}", place=place, allowed="CHIP=NUMBER, the number above 0")
        out[name] = value
    return out


def fields(text: str, place: str, allowed: str, fewest: int, most: int) -> list[float]:
    """Numbers of a text such as ``2:0.5:60``."""
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if not fewest <= len(numbers) <= most or any(not math.isfinite(number) or number < 0 for number in numbers):
        raise InputError(f"{text!r}", place=place, allowed=allowed)
    return numbers
