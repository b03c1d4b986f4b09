"""Power at load: boards from measured matrix products, servers from their maximum, energy of a step."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chipwise.catalogue.objects import Chip, System
from chipwise.core.errors import InputError, Undetermined
from chipwise.core.fact import Estimate, Evidence
from chipwise.perf.tables import Constant, read_rows

Floats = NDArray[np.float64]

PRECISIONS = ("16-bit", "8-bit", "4-bit")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPower:
    """Draw of one accelerator board.

    Parameters
    ----------
    power_w, low_w, high_w : float or (n,) float64
        Central draw and 90 % interval, W; never above the limit.
    evidence : str
        Rung of the evidence ladder.
    """

    power_w: float | Floats
    low_w: float | Floats
    high_w: float | Floats
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    base: float
    compute: float
    memory: float
    factor: float


@functools.cache
def _boards() -> Mapping[tuple[str, str], _Shares]:
    return {
        (row["chip"], row["precision"]): _Shares(
            base=float(row["base"]),
            compute=float(row["compute"]),
            memory=float(row["memory"]),
            factor=float(row["factor"]),
        )
        for row in read_rows("power/board.csv")
    }


@functools.cache
def _nodes() -> Mapping[str, Constant]:
    return {
        row["id"]: Constant(
            id=row["id"],
            value=float(row["value"]),
            low=float(row["low"]),
            high=float(row["high"]),
            unit=row["unit"],
            source=row["source"],
            note=row["note"],
        )
        for row in read_rows("power/node.csv")
    }


def board_power(
    chip: Chip, compute_utilisation: ArrayLike, memory_utilisation: ArrayLike, *, precision: str = "16-bit"
) -> BoardPower:
    """Draw of one board while it computes.

    Parameters
    ----------
    compute_utilisation, memory_utilisation : float or (n,) array, 0 to 1
        Shares of the dense peak at `precision` and of the memory bandwidth in use.
    precision : str
        ``16-bit``, ``8-bit`` or ``4-bit``.

    Returns
    -------
    BoardPower
        ``min(limit, limit x (base + a x compute + b x memory))``, the shares from the chip's own matrix products where
        they were measured (H200, B200, GB200), else their mean, with a wider interval.

    Raises
    ------
    InputError
        A share outside 0 to 1, or an unknown precision.
    Undetermined
        The chip's power limit is not published.
    """
    if precision not in PRECISIONS:
        raise InputError(f"{precision!r} is no precision", place="precision", allowed=" | ".join(PRECISIONS))
    if not chip.tdp_w:
        raise Undetermined(f"the power limit of {chip.id} is not published", place=f"chips/{chip.id}#tdp_w")
    compute, memory = np.asarray(compute_utilisation, dtype=float), np.asarray(memory_utilisation, dtype=float)
    for name, share in (("compute_utilisation", compute), ("memory_utilisation", memory)):
        if share.size and not (share.min() >= 0.0 and share.max() <= 1.0):
            raise InputError("a share outside its range", place=name, allowed="0 to 1")
    own = _boards().get((chip.id, precision))
    shares = own or _boards()["", precision]
    limit = chip.tdp_w
    power = np.minimum(limit, limit * (shares.base + shares.compute * compute + shares.memory * memory))
    low, high = power / shares.factor, np.minimum(limit, power * shares.factor)
    evidence: Evidence = "measured on this chip" if own else "data sheet only"
    if power.ndim == 0:
        return BoardPower(power_w=float(power), low_w=float(low), high_w=float(high), evidence=evidence)
    return BoardPower(power_w=power, low_w=low, high_w=high, evidence=evidence)


def node_power(chip: Chip, system: System | None, board: BoardPower, *, chips: int | None = None) -> Estimate:
    """Draw of a server at the wall of the rack: boards, and everything that is not a board.

    Parameters
    ----------
    system : System or None
        None for a chip whose server is not known.
    board : BoardPower
        One board; scalar.
    chips : int, optional
        Boards at work where there is no system.

    Raises
    ------
    InputError
        `board` holds arrays, the system holds other chips, or no count of chips is given.

    Notes
    -----
    Where the maximum of the server is published: boards + share x (maximum - boards at their limit); else boards
    times a factor. Cooling of the hall is not in it.
    """
    if isinstance(board.power_w, np.ndarray):
        raise InputError("an array of boards", place="board", allowed="one operating point")
    if system is not None and system.chip_id != chip.id:
        raise InputError(f"{system.id} holds {system.chip_id}", place="system", allowed=chip.id)
    count = system.chips if system is not None else chips
    if not count or count < 1:
        raise InputError("no count of chips", place="chips", allowed="1 or more")
    value, low, high = (count * float(end) for end in (board.power_w, board.low_w, board.high_w))
    rest = (system.node_power_w or 0.0) - count * (chip.tdp_w or 0.0) if system is not None else 0.0
    if rest > 0.0:
        share = _nodes()["host_share"]
        value, low, high = value + share.value * rest, low + share.low * rest, high + share.high * rest
        method = "boards and a share of what the server may draw beside them"
    else:
        factor = _nodes()["node_per_chip"]
        value, low, high = value * factor.value, low * factor.low, high * factor.high
        method = "boards times a factor: the maximum of the server is not published, or not above its chips'"
    return Estimate(
        value=value,
        low=low,
        high=high,
        unit="W",
        method=method,
        evidence=board.evidence,
        breakdown={"boards": count * float(board.power_w)},
        facts=(f"chips/{chip.id}#tdp_w", *((f"systems/{system.id}#node_power_w",) if system else ())),
    )


def step_energy(node: Estimate, nodes: float, step: Estimate) -> Estimate:
    """Energy of one step of a job, J.

    Parameters
    ----------
    node : Estimate
        Draw of one server, W.
    nodes : float
        Servers in the job.
    step : Estimate
        Time of one step, s.

    Raises
    ------
    InputError
        Units or count do not fit.

    Notes
    -----
    The ends of the interval take both ends at once, since a slower step at a given draw costs more.
    """
    if (node.unit, step.unit) != ("W", "s"):
        raise InputError(f"units {node.unit} and {step.unit}", place="step_energy", allowed="W and s")
    if not nodes > 0:
        raise InputError(f"{nodes} servers", place="nodes", allowed="above 0")
    return Estimate(
        value=node.value * nodes * step.value,
        low=node.low * nodes * step.low,
        high=node.high * nodes * step.high,
        unit="J",
        method="draw of a server x servers x time of a step",
        evidence=node.evidence,
        facts=(*node.facts, *step.facts),
    )
