"""One copy of a model on so many chips, checked: the way in for whoever names chips and not a layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chipwise.core.errors import InputError
from chipwise.perf.infer.capacity import cache_room_per_chip
from chipwise.perf.infer.setup import Layout, Setup, build_setup, weight_bytes_per_chip
from chipwise.perf.machine import group_limit, kv_precision_of, weight_precision_of
from chipwise.perf.training import resolve

if TYPE_CHECKING:
    from chipwise.catalogue.objects import Chip, Model

SPARE = 0.25
"""A copy is spread over chips until its caches have this share of the weights' size."""


def replica_setup(
    chip: str | Chip,
    model: str | Model,
    *,
    chips: int | None = None,
    engine: str = "vllm",
    weight_precision: str = "auto",
    kv_precision: str = "auto",
    memory_share: float | None = None,
    expert_parallel: int = 1,
    pipeline: int = 1,
    without: tuple[str, ...] = (),
    catalogue: Any = None,
) -> Setup:
    """Lay one copy on chips; parameters and errors as for `chipwise.perf.step_cost.step_cost`."""
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    chip, model = resolve(chip, model, catalogue)
    precision, kv = weight_precision_of(chip, model, weight_precision), kv_precision_of(kv_precision)
    limit = group_limit(chip, catalogue.server_of(chip.id))

    def laid(tensor: int) -> Setup:
        routed = bool(model.n_experts)
        layout = Layout(
            tensor=tensor,
            data=expert_parallel if routed else 1,
            expert=tensor * expert_parallel if routed and expert_parallel > 1 else 1,
            pipeline=pipeline,
        )
        return build_setup(
            chip,
            model,
            layout,
            precision=precision,
            kv_precision=kv,
            engine=engine,
            catalogue=catalogue,
            without=without,
        )

    if chips is not None:
        if not 1 <= chips <= limit or (model.heads and model.heads % chips):
            raise InputError(
                f"{chips} chips cannot share one copy of {model.id}",
                place="--chips",
                allowed=f"a divisor of {model.heads} heads up to {limit} of {chip.id}",
            )
        setup = laid(chips)
    else:
        tensor = 1
        setup = laid(tensor)
        while tensor * 2 <= min(limit, model.heads or limit):
            if cache_room_per_chip(setup, memory_share) > SPARE * weight_bytes_per_chip(setup):
                break
            tensor *= 2
            setup = laid(tensor)
    if cache_room_per_chip(setup, memory_share) <= 0:
        whole = weight_bytes_per_chip(setup) * setup.layout.chips
        raise InputError(
            f"{whole / 1e9:,.0f} GB of {precision} weights do not fit {setup.layout.chips} x {chip.id}",
            place="--chips",
            allowed="more chips or a lower weight precision",
        )
    return setup
