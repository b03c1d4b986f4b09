"""From options to a fleet, its engine and how it is operated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chipwise.cli.serve_options import fields
from chipwise.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Engine options; None leaves the engine's default."""

    name: str
    weight_precision: str = "auto"
    kv_precision: str = "auto"
    max_batch: int | None = None
    token_budget: int | None = None
    chunk_tokens: int | None = None
    kv_tokens: int | None = None
    preemption: str | None = None
    swap_gb_per_s: float | None = None
    no_prefix_cache: bool = False
    priorities: bool = False
    draft_tokens: int | None = None
    acceptance: float | None = None
    draft_ms: float | None = None
    timeout_s: float | None = None


def engine_of(options: Engine, cost: Any, prefix_tokens: int) -> Any:
    """One replica's limits and policies.

    Raises
    ------
    InputError
        Swapping without the speed of the link, or drafts without their acceptance.
    """
    from chipwise.serving import preset

    swap = None
    if options.preemption == "swap":
        if options.swap_gb_per_s is None or not options.swap_gb_per_s > 0:
            raise InputError("is needed to swap", place="--swap-gb-per-s", allowed="GB/s to the host, such as 25")
        swap = cost.kv_bytes_per_token / (options.swap_gb_per_s * 1e9)
    if options.draft_tokens and options.acceptance is None:
        raise InputError("is needed with drafts", place="--acceptance", allowed="0 to 1: chance that one is accepted")
    return preset(
        options.name,
        max_batch=options.max_batch,
        token_budget=options.token_budget,
        chunk_tokens=options.chunk_tokens,
        kv_tokens=options.kv_tokens or cost.kv_capacity_tokens,
        block_tokens=cost.block_tokens,
        preemption=options.preemption,
        swap_s_per_token=swap,
        prefix_cache=False if options.no_prefix_cache else None,
        prefix_tokens=prefix_tokens,
        priorities=options.priorities or None,
        draft_tokens=options.draft_tokens,
        acceptance=options.acceptance,
        draft_s=None if options.draft_ms is None else options.draft_ms / 1e3,
        timeout_s=options.timeout_s,
    )


def fleet_of(
    text: str | None,
    model: str,
    options: Engine,
    prefix_tokens: int,
    catalogue: Any,
    *,
    chip: str | None,
    chips: int | None,
    tp: int | None,
    replicas: int | None,
) -> list[Any]:
    """Replicas from ``--fleet h20-96:2=3,l40s=4`` (CHIP[:CHIPS]=REPLICAS), or from --chip and its kin."""
    from chipwise.serving import step_cost

    how: dict[str, Any] = {
        "engine": "vllm" if options.name == "sarathi" else options.name,
        "weight_precision": options.weight_precision,
        "kv_precision": options.kv_precision,
        "catalogue": catalogue,
    }
    if (text is None) == (chip is None):
        raise InputError(
            "name one of the two", place="--chip, --fleet", allowed="--chip l40s, or --fleet h20-96:2=3,l40s=4"
        )
    if text is None:
        group = tp if tp is not None else (chips if replicas is None else None)
        cost = step_cost(str(chip), model, chips=group, **how)
        count = _count(chips, cost.chips, replicas)
        return [(cost, engine_of(options, cost, prefix_tokens))] * count
    fleet: list[Any] = []
    for entry in (entry.strip() for entry in text.split(",")):
        kind, _, number = entry.partition("=")
        name, _, group_text = kind.partition(":")
        if not name or not number.isdigit() or int(number) < 1 or (group_text and not group_text.isdigit()):
            raise InputError(f"{entry!r}", place="--fleet", allowed="CHIP[:CHIPS PER REPLICA]=REPLICAS, …")
        cost = step_cost(name, model, chips=int(group_text) if group_text else None, **how)
        fleet += [(cost, engine_of(options, cost, prefix_tokens))] * int(number)
    return fleet


def _count(chips: int | None, group: int, replicas: int | None) -> int:
    if replicas is not None:
        if replicas < 1:
            raise InputError(f"{replicas} replicas", place="--replicas", allowed="at least 1")
        return replicas
    if chips is None:
        return 1
    if chips % group:
        raise InputError(f"{chips} chips are no multiple of {group}", place="--chips", allowed="a multiple of --tp")
    return chips // group


def operation_of(
    count: int,
    duration_s: float,
    *,
    outage: Sequence[str],
    failures: str | None,
    maintenance: str | None,
    autoscale: str | None,
    long_replicas: int,
    long_tokens: int | None,
    wanted_ttft_s: float | None,
    seed: int,
) -> Any:
    """Outages named and drawn, maintenance in turn, autoscaling, and the pool for long requests."""
    from chipwise.serving import Autoscale, Operation, Outage
    from chipwise.serving.operation import drawn_failures, rolling_maintenance

    outages: list[Any] = []
    for text in outage:
        replica, start, end = fields(text, "--outage", "REPLICA:START_S:END_S", 3, 3)
        outages.append(Outage(replica=int(replica), start_s=start, end_s=end))
    if failures is not None:
        between, repair = fields(failures, "--failures", "HOURS_BETWEEN:HOURS_TO_REPAIR of one replica", 2, 2)
        outages += drawn_failures(count, duration_s, between * 3600.0, repair * 3600.0, seed=seed)
    if maintenance is not None:
        every, length = fields(maintenance, "--maintenance", "EVERY_HOURS:HOURS of one replica", 2, 2)
        outages += rolling_maintenance(count, duration_s, every * 3600.0, length * 3600.0)
    scaler = None
    if autoscale is not None:
        allowed = "FEWEST:LOAD_UP:LOAD_DOWN:STARTUP_S[:TICK_S], load in requests per live replica"
        numbers = fields(autoscale, "--autoscale", allowed, 4, 5)
        scaler = Autoscale(
            fewest=int(numbers[0]),
            load_up=numbers[1],
            load_down=numbers[2],
            startup_s=numbers[3],
            tick_s=numbers[4] if len(numbers) > 4 else 10.0,
        )
    if long_replicas and (long_tokens is None or not 0 < long_replicas < count):
        raise InputError(
            f"{long_replicas} of {count}", place="--long-replicas", allowed="fewer than all, and --long-tokens"
        )
    return Operation(
        pools=(0,) * (count - long_replicas) + (1,) * long_replicas if long_replicas else (),
        threshold_tokens=long_tokens or 4096,
        wanted_ttft_s=wanted_ttft_s if wanted_ttft_s is not None else 1.0,
        outages=tuple(outages),
        autoscale=scaler,
    )
