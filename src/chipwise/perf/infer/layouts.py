"""Ways to lay one copy of a model on chips."""

from __future__ import annotations

import functools

from chipwise.catalogue.objects import Model
from chipwise.core.errors import InputError
from chipwise.perf.infer.setup import Layout

LONG_PROMPT = 16_384.0
"""Prompt from which ranks that divide a prompt are tried."""

WIDEST = 320
"""Most chips of one copy that are tried (DeepSeek's published decode unit)."""

LONGEST = 1e7
"""Most tokens of a request, either way."""

ONE_CHIP = ("llama.cpp", "eager")
"""Engines whose copies are costed on one chip only: their layers on several work one after another."""

_NAMES = {"tp": "tensor", "dp": "data", "ep": "expert", "pp": "pipeline", "cp": "context"}


@functools.lru_cache(maxsize=256)
def groups(model: Model, most_chips: int) -> tuple[Layout, ...]:
    """Power-of-two groups; experts divided by width, by expert, or among attention copies."""
    found, chips = [], 1
    while chips <= most_chips and chips <= (model.heads or chips):
        found.append(Layout(tensor=chips))
        if model.n_experts and chips > 1 and model.n_experts % chips == 0:
            found.append(Layout(tensor=chips, expert=chips))
            found.append(Layout(data=chips, expert=chips))
        chips *= 2
    return tuple(found)


@functools.lru_cache(maxsize=256)
def space(
    model: Model, chips: int, *, tensor_limit: int, input_tokens: float = 0.0, engine: str = ""
) -> tuple[Layout, ...]:
    """Every layout of the search that `chips` chips hold.

    Parameters
    ----------
    tensor_limit : int
        Widest tensor group: the scale-up domain or the server.
    input_tokens : float
        Prompts of `LONG_PROMPT` and more are also divided over context ranks.

    Notes
    -----
    Tensor, attention copies, stages and context ranks are powers of two. Experts are divided by width or over the
    whole stage; over attention copies always over the whole stage, beyond one server too.
    """
    if engine in ONE_CHIP:
        return (Layout(),)
    most, long = min(chips, WIDEST), input_tokens >= LONG_PROMPT
    found = [
        Layout(tensor=tensor, data=data, expert=expert, pipeline=pipeline, context=context)
        for tensor in _powers(min(most, tensor_limit, model.heads or most))
        if not model.heads or model.heads % tensor == 0
        for data in (_powers(most // tensor) if model.n_experts else (1,))
        for expert in _divisions(model, tensor, data)
        for pipeline in _powers(min(most // (tensor * data), 8, int(model.layers or 1)))
        for context in (_powers(min(most // (tensor * data * pipeline), 8)) if long else (1,))
    ]
    return tuple(sorted(found, key=lambda layout: (layout.chips, layout.pipeline, layout.context, layout.data)))


def _divisions(model: Model, tensor: int, data: int) -> tuple[int, ...]:
    """Ways to divide experts over one stage."""
    group = tensor * data
    if not model.n_experts or group == 1:
        return (1,)
    whole = (group,) if model.n_experts % group == 0 else ()
    return whole if data > 1 else (1, *whole)


def _powers(most: int) -> tuple[int, ...]:
    return tuple(2**power for power in range(max(most, 1).bit_length()))


def layout_from_text(text: str) -> Layout:
    """A layout as the command line takes it.

    Raises
    ------
    InputError
        Not ``tp=8,dp=2,ep=16,pp=1,cp=1`` or part of it, or no layout.

    Examples
    --------
    >>> layout_from_text("tp=4,pp=2").chips
    8
    """
    given: dict[str, int] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        name = name.strip().casefold()
        if name not in _NAMES or not value.strip().isdigit() or int(value) < 1:
            raise InputError(f"{part!r} is no part of a layout", place="--layout", allowed="tp=8,dp=2,ep=16,pp=1,cp=1")
        given[_NAMES[name]] = int(value)
    return Layout(**given)


def layout_text(layout: Layout) -> str:
    """The same, without what is 1.

    Examples
    --------
    >>> layout_text(Layout(tensor=4, pipeline=2))
    'tp=4,pp=2'
    """
    parts = [f"{short}={getattr(layout, name)}" for short, name in _NAMES.items() if getattr(layout, name) > 1]
    return ",".join(parts) or "tp=1"


def cannot_be(model: Model, layout: Layout, *, chips: int, tensor_limit: int, engine: str = "") -> str:
    """Why engines refuse a layout of `model`, or why `chips` chips do not hold it; empty where they can."""
    if engine in ONE_CHIP and layout.chips > 1:
        return f"copies of {engine} are costed on one chip only: its layers on several work one after another"
    if layout.chips > chips:
        return f"one copy takes {layout.chips} chips of {chips}"
    if model.heads and model.heads % layout.tensor:
        return f"{model.heads:g} attention heads do not divide by tp={layout.tensor}"
    if layout.tensor > tensor_limit:
        return f"tp={layout.tensor} reaches beyond the {tensor_limit} chips of one scale-up domain or server"
    if not model.n_experts and max(layout.data, layout.expert) > 1:
        return "dp and ep divide experts, and this model has none: more copies do what dp would"
    if model.n_experts and model.n_experts % layout.expert:
        return f"{model.n_experts:g} experts do not divide by ep={layout.expert}"
    if layout.pipeline > (model.layers or layout.pipeline):
        return f"pp={layout.pipeline} is more stages than {model.layers:g} layers"
    return ""


def too_long(model: Model, tokens: float) -> tuple[str, ...]:
    """A note where a request is longer than the context the model was published with."""
    most = model.max_context
    if not most or tokens <= most:
        return ()
    return (f"{tokens:,.0f} tokens are more than the {most:,.0f} {model.id} was published for",)
