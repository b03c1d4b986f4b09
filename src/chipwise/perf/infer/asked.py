"""From what a user names to the question of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import ChipwiseError, InputError
from chipwise.perf.infer.layouts import LONGEST
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.question import Question
from chipwise.perf.infer.terms import engines
from chipwise.perf.machine import KV_PRECISIONS, WEIGHT_PRECISIONS, group_limit, kv_precision_of, weight_precision_of

if TYPE_CHECKING:
    from chipwise.perf.infer.calibrate import ServingCalibration

MODES = ("aggregated", "disaggregated")

ENGINES_BY_VENDOR = {
    "NVIDIA": ("vllm", "sglang", "tensorrt-llm"),
    "AMD": ("vllm", "sglang"),
    "Huawei": ("vllm-ascend", "mindie"),
}
"""Engines that run on a vendor's chips and have constants here; others are taken as vLLM."""


def engines_of(chip: Chip) -> tuple[str, ...]:
    """Engines that run on a chip."""
    return ENGINES_BY_VENDOR.get(chip.vendor, ("vllm",))


def question_of(
    model: str | Model,
    chip: str | Chip | None,
    *,
    catalogue: Any,
    chips: int | None = None,
    prefill_chip: str | Chip | None = None,
    decode_chip: str | Chip | None = None,
    prefill_chips: int | None = None,
    decode_chips: int | None = None,
    input_tokens: float = 1024.0,
    output_tokens: float = 512.0,
    tpot_s: float | None = None,
    ttft_s: float | None = None,
    gap_s: float | None = None,
    engine: str = "any",
    weight_precision: str = "auto",
    kv_precision: str = "auto",
    mode: str = "any",
    options: Options | None = None,
    calibration: ServingCalibration | None = None,
) -> Question:
    """Resolve names and check that they make a question.

    Parameters
    ----------
    chip : str or Chip, optional
        Of both pools; or `prefill_chip` and `decode_chip`.
    engine, weight_precision, kv_precision : str
        ``any``, ``auto`` (formats only: the model's own, and a 16-bit cache), or names separated by commas.

    Raises
    ------
    InputError
        A name is unknown, or chips and numbers do not make a question.
    Undetermined
        A needed figure of the chip is not published.
    """
    first = prefill_chip or chip or decode_chip
    second = decode_chip or chip or prefill_chip
    if first is None or second is None:
        raise InputError("no chip named", place="--chip", allowed="--chip, or --prefill-chip and --decode-chip")
    one, other = _chip(first, catalogue), _chip(second, catalogue)
    shape = catalogue.model(model) if isinstance(model, str) else model
    total = chips or ((prefill_chips or 0) + (decode_chips or 0))
    if (prefill_chips is None) != (decode_chips is None) or not total:
        raise InputError(
            "no number of chips", place="--chips", allowed="--chips, or --prefill-chips and --decode-chips"
        )
    if chips is not None and prefill_chips is not None and chips != prefill_chips + (decode_chips or 0):
        raise InputError(f"{chips} chips are not the sum of both pools", place="--chips", allowed="one or the other")
    for name, value in (("--isl", input_tokens), ("--osl", output_tokens)):
        if not 1 <= value <= LONGEST:
            raise InputError(f"{value!r} tokens", place=name, allowed=f"1 to {LONGEST:,.0f}")
    modes = MODES if mode == "any" else (mode,)
    if modes[0] not in MODES:
        raise InputError(f"{mode!r} is no mode", place="--mode", allowed="any, aggregated, disaggregated")
    apart = one.id != other.id or prefill_chips is not None
    if apart and modes == ("aggregated",):
        raise InputError("two pools are not aggregated", place="--mode", allowed="any or disaggregated")
    return Question(
        model=shape,
        chip=one,
        decode_chip=other,
        chips=total,
        prefill_chips=prefill_chips,
        decode_chips=decode_chips,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        tpot_s=tpot_s,
        ttft_s=ttft_s,
        gap_s=gap_s,
        engines=_engines(engine, one, other),
        weight_precisions=_weights(weight_precision, one, other, shape),
        kv_precisions=_caches(kv_precision),
        tensor_limits=(
            group_limit(one, catalogue.server_of(one.id)),
            group_limit(other, catalogue.server_of(other.id)),
        ),
        catalogue=catalogue,
        modes=("disaggregated",) if apart else modes,
        options=options or Options(),
        calibration=calibration,
    )


def _chip(name: str | Chip, catalogue: Any) -> Chip:
    found: Chip = catalogue.chip(name) if isinstance(name, str) else name
    return found


def _engines(text: str, one: Chip, other: Chip) -> tuple[str, ...]:
    if text == "any":
        both = tuple(name for name in engines_of(one) if name in engines_of(other))
        return both or ("vllm",)
    names = tuple(part.strip().casefold() for part in text.split(","))
    for name in names:
        if name not in engines():
            raise InputError(f"{name!r} is no engine known here", place="--engine", allowed=", ".join(engines()))
    return names


def _weights(text: str, one: Chip, other: Chip, model: Model) -> tuple[str, ...]:
    if text != "any":
        names = [part.strip() for part in text.split(",")]
        sides = [{weight_precision_of(chip, model, name) for name in names} for chip in (one, other)]
        return tuple(sorted(sides[0] | sides[1]))
    found: dict[str, None] = {}
    for name in WEIGHT_PRECISIONS:
        try:
            resolved = {weight_precision_of(chip, model, name) for chip in (one, other)}
        except ChipwiseError:
            continue
        if len(resolved) == 1:
            found[resolved.pop()] = None
    return tuple(found)


def _caches(text: str) -> tuple[str, ...]:
    names = ("bf16", "fp8") if text == "any" else tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in KV_PRECISIONS:
            raise InputError(
                f"{name!r} is no cache precision", place="--kv-precision", allowed=", ".join(KV_PRECISIONS)
            )
    return tuple(dict.fromkeys(kv_precision_of(name) for name in names))
