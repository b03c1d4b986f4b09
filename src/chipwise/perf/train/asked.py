"""What a user says of software and layout, in short text: ``tp=8,pp=8`` and ``class=community,graphs=1``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from chipwise.core.errors import InputError
from chipwise.core.names import nearest_names
from chipwise.perf.train.objects import Layout, Stack

LAYOUT_NUMBERS: Mapping[str, tuple[str, float, float]] = {
    "tp": ("tp", 1, 1e6),
    "pp": ("pp", 1, 1e6),
    "vpp": ("vpp", 1, 1e6),
    "cp": ("cp", 1, 1e6),
    "ep": ("ep", 1, 1e6),
    "etp": ("etp", 1, 1e6),
    "mbs": ("mbs", 1, 1e6),
    "zero": ("zero", 0, 3),
    "shard": ("shard", 1, 1e6),
    "sp": ("sp", 0, 1),
    "recompute": ("recompute", 0, 1),
    "core": ("recompute_core", 0, 1),
    "gradient_bytes": ("gradient_bytes", 2, 4),
    "offload_weights": ("offload_weights", 0, 1),
    "offload_activations": ("offload_activations", 0, 1),
    "offload_optimizer": ("offload_optimizer", 0, 1),
}
"""Name a user writes: field of the layout, least, most."""

SCHEDULES: Mapping[str, tuple[float, float]] = {
    "1f1b": (1.0, 1.0),
    "zero-bubble": (1.0 / 3.0, 1.0),
    "v-half": (2.0 / 3.0, 0.5),
    "v-min": (1.0, 1.0 / 3.0),
}
"""Bubble and activations held, relative to 1F1B (Qi et al. 2024: zero-bubble, and its controllable-memory V shapes)."""

STACK_WORDS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "class": ("community", {"tuned": 0.0, "community": 1.0}),
    "routing": ("natural", {"balanced": 0.0, "natural": 1.0}),
    "experts": ("padded", {"dropless": 0.0, "padded": 1.0}),
}
STACK_NUMBERS: Mapping[str, tuple[str, float, float]] = {
    "attention": ("flash", 0, 3),
    "graphs": ("graphs", 0, 1),
    "blocks": ("blocks", 0, 1),
    "power": ("power_share", 0.3, 1),
    "age": ("age_years", 0, 20),
}
WHOLE = ("tp", "pp", "vpp", "cp", "ep", "etp", "mbs", "zero", "shard", "sp", "attention", "graphs", "blocks", "core")


def pairs_of(text: str, place: str, known: tuple[str, ...]) -> dict[str, str]:
    """``a=1,b=x`` as a mapping.

    Raises
    ------
    InputError
        A name that is not known, or one twice.
    """
    out: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in known:
            raise InputError(
                f"{name!r} is no field of it", place=place, allowed=", ".join(known), nearest=nearest_names(name, known)
            )
        if name in out:
            raise InputError(f"{name} twice", place=place, allowed="each field once")
        out[name] = value
    return out


def number_of(name: str, value: str, least: float, most: float, place: str) -> float:
    """A number in range; whole where the field counts something.

    Raises
    ------
    InputError
        No number, or out of range.
    """
    allowed = f"{least:g} to {most:g}" + (", whole" if name in WHOLE else "")
    try:
        found = float(value)
    except ValueError:
        raise InputError(f"{value!r} is no number", place=f"{place} {name}", allowed=allowed) from None
    if not least <= found <= most or (name in WHOLE and found != int(found)):
        raise InputError(f"{value} is out of range", place=f"{place} {name}", allowed=allowed)
    return found


def layout_of_text(text: str, *, seq: int, chips: int, batch: int, adapter: bool = False) -> Layout:
    """Read a layout; what is not named is 1, optimizer sharded, nothing recomputed, nothing offloaded.

    Parameters
    ----------
    text : str
        ``tp=8,pp=8,vpp=2,mbs=1,zero=1,recompute=0.5,schedule=zero-bubble``: fields of `LAYOUT_NUMBERS` and
        ``schedule``. Data ranks and accumulation follow.

    Raises
    ------
    InputError
        An unknown field, or a value out of range.
    """
    given = pairs_of(text, "layout", (*LAYOUT_NUMBERS, "schedule"))
    schedule = given.pop("schedule", "1f1b")
    if schedule not in SCHEDULES:
        raise InputError(f"{schedule!r} is no schedule", place="layout schedule", allowed=" | ".join(SCHEDULES))
    fields = {}
    for name, value in given.items():
        field, least, most = LAYOUT_NUMBERS[name]
        fields[field] = number_of(name, value, least, most, "layout")
    tp, pp, cp = (fields.get(name, 1.0) for name in ("tp", "pp", "cp"))
    dp = float(max(chips // int(tp * pp * cp), 1))
    bubble, held = SCHEDULES[schedule]
    usual = {"sp": 1.0 if tp > 1 else 0.0, "zero": 1.0, "shard": dp * cp, "gradient_bytes": 2.0}
    return Layout(
        seq=float(seq), dp=dp, accum=max(batch / (dp * fields.get("mbs", 1.0)), 1.0), fine=1.0,
        adapter=1.0 if adapter else 0.0, bubble=bubble, in_flight=held, **{**usual, **fields},
    )  # fmt: skip


def stack_of_text(text: str, usual: Stack) -> Stack:
    """Read what is said of the software; the rest stays as usual.

    Parameters
    ----------
    text : str
        ``class=community,attention=2,graphs=1,routing=balanced,experts=padded,power=0.8,age=0.5``: class of the stack,
        generation of the attention kernel (0 where scores are written out), whole-step graphs, routing of experts,
        experts that take any number of tokens or a fixed one, power limit over board power, years since the
        architecture came out.

    Raises
    ------
    InputError
        An unknown field, or a value out of range.
    """
    fields: dict[str, float] = {}
    for name, value in pairs_of(text, "stack", (*STACK_WORDS, *STACK_NUMBERS)).items():
        if name in STACK_WORDS:
            field, words = STACK_WORDS[name]
            if value not in words:
                raise InputError(f"{value!r} is no {name}", place=f"stack {name}", allowed=" | ".join(words))
            fields[field] = words[value]
        else:
            field, least, most = STACK_NUMBERS[name]
            fields[field] = number_of(name, value, least, most, "stack")
    return dataclasses.replace(usual, **fields)
