"""How an engine runs one copy of a model: limits, scheduling and memory policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from chipwise.core.errors import InputError, UnknownName
from chipwise.core.names import nearest_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One running copy of a model.

    Parameters
    ----------
    max_batch : int
        Requests running at once.
    token_budget : int
        Tokens of one step, decoding ones included.
    chunk_tokens : int
        Most prompt tokens of one request in one step; 0 leaves it to the budget.
    kv_tokens : int
        Tokens whose cache fits.
    block_tokens : int
        Tokens of one block of the cache.
    prefill_first : bool
        Steps hold either prompts or decoding requests, prompts first (SGLang); otherwise both share a step.
    reserve_prompt : bool
        Room for the whole prompt is taken on admission, not chunk by chunk.
    preemption : {"recompute", "swap"}
        What happens to the cache of a request that must make room.
    swap_s_per_token : float
        Moving the cache of one token out or in, s.
    prefix_cache : bool
        Prompt blocks stay until their room is needed and serve later requests.
    prefix_tokens : int
        Tokens of one block of the trace's prefix ids; a multiple of `block_tokens`.
    priorities : bool
        Lower priority numbers go first; otherwise first come, first served.
    draft_tokens, acceptance, draft_s : int, float, float
        Speculative decoding: drafts per step, chance that one is accepted, time to draft, s.
    timeout_s : float
        A request not finished by then is dropped.
    look_ahead : bool
        A step is planned while the one before it still runs: what arrives or ends meanwhile counts one step later.
    """

    max_batch: int = 256
    token_budget: int = 2048
    chunk_tokens: int = 0
    kv_tokens: int = 1 << 30
    block_tokens: int = 16
    prefill_first: bool = False
    reserve_prompt: bool = False
    preemption: Literal["recompute", "swap"] = "recompute"
    swap_s_per_token: float = 0.0
    prefix_cache: bool = True
    prefix_tokens: int = 512
    priorities: bool = False
    draft_tokens: int = 0
    acceptance: float = 0.0
    draft_s: float = 0.0
    timeout_s: float = float("inf")
    look_ahead: bool = False

    def __post_init__(self) -> None:
        for name in ("max_batch", "token_budget", "block_tokens", "kv_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}", place="Replica", allowed="a positive whole number")
        if self.prefix_cache and (self.prefix_tokens < 1 or self.prefix_tokens % self.block_tokens):
            raise InputError(
                f"prefix_tokens is {self.prefix_tokens}",
                place="Replica",
                allowed=f"a multiple of block_tokens ({self.block_tokens})",
            )
        if not 0.0 <= self.acceptance <= 1.0:
            raise InputError(f"acceptance is {self.acceptance}", place="Replica", allowed="0 to 1")
        if self.preemption not in ("recompute", "swap"):
            raise InputError(f"preemption is {self.preemption!r}", place="Replica", allowed="recompute, swap")
        if self.token_budget < 1 + self.draft_tokens:
            raise InputError(
                f"token_budget is {self.token_budget}", place="Replica", allowed="at least one token and its drafts"
            )


PRESETS: dict[str, dict[str, Any]] = {
    "vllm": {"max_batch": 256, "token_budget": 2048, "look_ahead": True},
    "sglang": {
        "max_batch": 1024,
        "token_budget": 8192,
        "prefill_first": True,
        "reserve_prompt": True,
        "look_ahead": True,
    },
    "sarathi": {"max_batch": 128, "token_budget": 512, "reserve_prompt": True, "prefix_cache": False},
}
"""Engine defaults: vLLM V1 (plans ahead since 0.14), SGLang with its overlapped scheduler, Sarathi as Vidur sets it."""


def preset(engine: str, **changes: Any) -> Replica:
    """The defaults of an engine, with changes; None leaves a default as it is.

    Raises
    ------
    UnknownName
        No such engine.

    Examples
    --------
    >>> preset("sarathi", max_batch=64).token_budget
    512
    """
    if engine not in PRESETS:
        raise UnknownName(
            f"no engine is called {engine!r}",
            place="--engine",
            allowed=", ".join(PRESETS),
            nearest=nearest_names(engine, PRESETS),
        )
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(Replica(), **{**PRESETS[engine], **given})
