"""One run: the layout asked for or the best one found, its time, memory and interval."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError
from chipwise.core.fact import Estimate
from chipwise.perf.flop import adapter_flop_per_token, training_flop_per_token
from chipwise.perf.peaks import peak_fact_id, peak_spread, training_precision
from chipwise.perf.train.asked import stack_of_text
from chipwise.perf.train.devices import device_of
from chipwise.perf.train.memory import Memory, memory
from chipwise.perf.train.objects import Device, Layout, Shape, Stack
from chipwise.perf.train.resolve import MEMORY_SHARE
from chipwise.perf.train.search import Found, Setting, search
from chipwise.perf.train.shapes import shape_of_model
from chipwise.perf.train.space import blocks_of
from chipwise.perf.train.spread import RUNGS, interval_factor, rung_of
from chipwise.perf.train.step import step_time
from chipwise.perf.train.terms import Terms, shipped_terms

BITS = {"bf16": 16.0, "fp16": 16.0, "fp8": 8.0, "fp4": 4.0}

BLOCK_FORMATS = {"mxfp8": ("fp8", 1.0), "mxfp4": ("fp4", 1.0), "nvfp4": ("fp4", 1.0)}
"""Formats with a scale per block: the rate they multiply at."""

LEAST_BATCH_TOKENS = 4e6
DENSE_BATCH = (2048.0, 32e6)
EXPERT_BATCH = (16384.0, 64e6)
"""Default batch of a pre-training run: tokens a chip and the most in all, never under `LEAST_BATCH_TOKENS`.

Dense runs grew to 16 million tokens (Llama 3, arXiv 2407.21783). An expert sees only the share of the batch routed to
it, and published mixtures took more: 38 million (DeepSeek-V2, arXiv 2405.04434), 63 million (DeepSeek-V3, arXiv
2412.19437), 67 million (Kimi K2, arXiv 2507.20534). The numbers a chip are a convention between these.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A training run on one kind of chip.

    Parameters
    ----------
    chips, batch : int
        Packages; sequences of a step.
    layout : Layout
    step_s : Estimate
        Time of one step, s, its parts as breakdown.
    memory : Memory
        Bytes on the fullest unit.
    room_bytes : float
        Memory a process can have.
    fits : bool
    flop_per_token, peak_flop_per_s : float
        Model FLOP (causal, no recomputation); dense peak.
    """

    chip: Chip
    model: Model
    precision: str
    seq: int
    chips: int
    batch: int
    layout: Layout
    step_s: Estimate
    memory: Memory
    room_bytes: float
    fits: bool
    flop_per_token: float
    peak_flop_per_s: float

    @property
    def tokens_per_step(self) -> float:
        """Tokens of one step."""
        return float(self.layout.dp * self.layout.mbs * self.layout.accum * self.seq)

    @property
    def tokens_per_s_per_chip(self) -> Estimate:
        """Tokens a second and chip."""
        return self._speed(self.tokens_per_step / self.chips, "token/s")

    @property
    def mfu(self) -> Estimate:
        """Model FLOP over dense peak."""
        per_chip = self.tokens_per_step / self.chips
        return self._speed(per_chip * self.flop_per_token / self.peak_flop_per_s, "")

    def _speed(self, work: float, unit: str) -> Estimate:
        step = self.step_s
        return dataclasses.replace(
            step, value=work / step.value, low=work / step.high, high=work / step.low, unit=unit, breakdown={}
        )


def default_batch(chips: int, seq: int, *, mixture: bool) -> int:
    """Sequences of a step where none is asked for."""
    each, most = EXPERT_BATCH if mixture else DENSE_BATCH
    tokens = min(max(each * chips, LEAST_BATCH_TOKENS), most)
    return max(1, round(2.0 ** round(math.log2(tokens / seq))))


def default_stack(chip: Chip, precision: str, *, natural: bool = True) -> Stack:
    """Tuned software of a mature architecture, natural routing, the attention kernel the chip has."""
    newest = chip.vendor == "NVIDIA" and chip.architecture.startswith(("Hopper", "Blackwell"))
    return Stack(
        element_bits=BITS[precision],
        flash=3.0 if newest else 2.0,
        natural=1.0 if natural else 0.0,
        age_years=3.0,
        moe_years=1.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A chip, a model and a batch, ready for the kernels.

    Parameters
    ----------
    adapter : bool
        The weights are frozen, adapters (LoRA) are trained.
    stack_said : bool
        The software was described, not taken as usual.
    """

    chip: Chip
    model: Model
    precision: str
    seq: int
    chips: int
    batch: int
    shape: Shape
    device: Device
    stack: Stack
    terms: Terms
    adapter: bool
    stack_said: bool

    @property
    def flop_per_token(self) -> float:
        """Model FLOP of a token: causal, nothing recomputed; of adapters where only they are trained."""
        count = adapter_flop_per_token if self.adapter else training_flop_per_token
        return count(self.model, self.seq)

    @property
    def setting(self) -> Setting:
        """What a search holds fixed."""
        return Setting(shape=self.shape, device=self.device, stack=self.stack, terms=self.terms, seq=float(self.seq))


def problem_of(
    chip: Chip,
    model: Model,
    catalogue: Catalogue,
    *,
    chips: int,
    precision: str = "auto",
    seq: int = 4096,
    batch: int | None = None,
    stack: Stack | str | None = None,
    adapter: bool = False,
    terms: Terms | None = None,
) -> Problem:
    """Put a question together.

    Parameters
    ----------
    precision : str
        ``auto``, ``bf16``, ``fp16``, ``fp8``, ``fp4``, or with a scale per block ``mxfp8``, ``mxfp4``, ``nvfp4``.
    stack : Stack or str, optional
        The software, or what differs from the usual one in the text of `chipwise.perf.train.asked.stack_of_text`.
    adapter : bool
        Frozen weights, trained adapters (LoRA).

    Raises
    ------
    Undetermined
        A figure of the chip, or the shape of the model, is not known.
    InputError
        A count out of range.
    """
    for name, value in (("seq_len", seq), ("chips", chips), ("batch", 1 if batch is None else batch)):
        if value < 1:
            raise InputError(f"{value} is out of range", place=name, allowed="1 or more")
    plain, blocks = BLOCK_FORMATS.get(precision, (precision, 0.0))
    chosen = training_precision(chip, plain)
    used = terms or shipped_terms()
    usual = dataclasses.replace(default_stack(chip, chosen), blocks=blocks)
    return Problem(
        chip=chip,
        model=model,
        precision=chosen,
        seq=seq,
        chips=chips,
        batch=batch or default_batch(chips, seq, mixture=bool(model.n_experts)),
        shape=shape_of_model(model),
        device=device_of(chip, catalogue, chosen, used),
        stack=stack_of_text(stack, usual) if isinstance(stack, str) else stack or usual,
        terms=used,
        adapter=adapter,
        stack_said=stack is not None,
    )


def search_layouts(problem: Problem, *, space: str = "practical", top: int = 10) -> Found:
    """The fastest layouts of a space on all chips of the problem."""
    blocks = blocks_of(
        space, problem.shape, problem.chips, problem.batch, float(problem.seq), problem.device, adapter=problem.adapter
    )
    return search(problem.setting, blocks, top=top)


def run_of(problem: Problem, layout: Layout, *, blank: bool) -> Run:
    """Time, memory and interval of one layout.

    Parameters
    ----------
    blank : bool
        The layout was chosen here, not stated: the interval is wider.
    """
    step = step_time(problem.shape, layout, problem.device, problem.stack, problem.terms)
    used = memory(problem.shape, layout, problem.stack)
    rung = rung_of(problem.chip, problem.terms)
    factor = interval_factor(rung, mixture=bool(problem.model.n_experts), blank=blank, said=problem.stack_said)
    down, up = peak_spread(problem.chip, problem.precision)
    value = float(step.time_s)
    parts = {name: float(seconds) for name, seconds in step.parts.items()}
    room = MEMORY_SHARE * float(problem.device.mem_bytes)
    return Run(
        chip=problem.chip,
        model=problem.model,
        precision=problem.precision,
        seq=problem.seq,
        chips=problem.chips,
        batch=problem.batch,
        layout=layout,
        step_s=Estimate(
            value=value,
            low=value / math.exp(math.hypot(math.log(factor), math.log(up))),
            high=value * math.exp(math.hypot(math.log(factor), math.log(down))),
            unit="s",
            method="closed-form step over the operators of the chip",
            evidence=RUNGS[rung],
            breakdown=parts,
            facts=(peak_fact_id(problem.chip, problem.precision), f"models/{problem.model.id}#params_matmul_active"),
        ),
        memory=used,
        room_bytes=room,
        fits=bool(used.total <= room),
        flop_per_token=problem.flop_per_token,
        peak_flop_per_s=problem.chip.rates[problem.precision],
    )


def best_run(problem: Problem) -> Run | None:
    """The fastest layout that fits; None where none does."""
    found = search_layouts(problem, top=1)
    return run_of(problem, found.layouts[0], blank=True) if found.layouts else None


def least_memory_run(problem: Problem) -> Run:
    """What comes closest where nothing fits: everything sharded, everything recomputed."""
    from chipwise.perf.train.space import divisors

    ways = [n for n in divisors(problem.chips) if n <= int(problem.device.domain) and problem.shape.heads % n == 0]
    tp = max(ways)
    dp = problem.chips // tp
    layout = Layout(
        seq=float(problem.seq), tp=float(tp), dp=float(dp), sp=1.0 if tp > 1 else 0.0, zero=3.0, shard=float(dp),
        mbs=1.0, accum=max(problem.batch / dp, 1.0), recompute=1.0, gradient_bytes=2.0, adapter=float(problem.adapter),
    )  # fmt: skip
    return run_of(problem, layout, blank=True)


def usual_chips(chip: Chip, model: Model) -> int:
    """Chips of a run of which one chip's share is asked: at least 64, and 32 bytes of memory a weight."""
    if not chip.mem_bytes:
        return 1024
    needed = 32.0 * model.params_total / chip.mem_bytes
    return int(2 ** math.ceil(math.log2(max(needed, 64.0))))


@functools.lru_cache(maxsize=1024)
def cached_best_run(
    chip: Chip, model: Model, catalogue: Catalogue, chips: int, precision: str, seq: int, batch: int | None
) -> tuple[Run, Problem]:
    """`best_run`, or `least_memory_run`, remembered."""
    problem: Any = problem_of(chip, model, catalogue, chips=chips, precision=precision, seq=seq, batch=batch)
    return best_run(problem) or least_memory_run(problem), problem
