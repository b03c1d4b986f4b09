"""The replica simulator again, slow and plain: one Python object a request, one iteration a step, no jumps."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    index: int
    arrival: float
    n_in: int
    n_out: int
    prio: int = 0
    cancel: float = math.inf
    prefix: tuple[int, ...] = ()
    computed: int = 0
    generated: int = 0
    private: int = 0
    held: set[int] = field(default_factory=set)
    first: float = math.nan
    end: float = math.nan
    status: str = "coming"
    preempted: int = 0
    hit: int = 0
    new: int = 0

    @property
    def target(self) -> int:
        return self.n_in + self.generated

    @property
    def decoding(self) -> bool:
        return self.generated > 0 and self.target - self.computed == 1


def splitmix(seed: int, i: int, count: int, draw: int) -> float:
    mask = (1 << 64) - 1
    x = seed * 0x9E3779B97F4A7C15 + i * 0xBF58476D1CE4E5B9 + count * 0x94D049BB133111EB + draw * 0xD6E8FEB86659FD93
    x &= mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    x ^= x >> 31
    return (x >> 11) / 9007199254740992.0


class Twin:
    """One replica; `cost` and `replica` are the public objects the kernel is given."""

    def __init__(self, cost: Any, replica: Any, seed: int = 0) -> None:
        self.cost, self.rep, self.seed = cost, replica, seed
        self.block = replica.block_tokens
        self.blocks = int(replica.kv_tokens // replica.block_tokens)
        self.per_id = replica.prefix_tokens // self.block if replica.prefix_cache else 0
        self.own = False
        self.left: OrderedDict[int, int] = OrderedDict()
        self.free = self.blocks
        self.refs: dict[int, int] = {}
        self.idle: OrderedDict[int, None] = OrderedDict()
        self.running: list[Request] = []
        self.waiting: list[Request] = []
        self.now, self.debt, self.steps, self.preemptions = 0.0, 0.0, 0, 0
        self.leaving: list[Request] = []
        self.seen_until = 0.0

    # memory
    def room(self) -> int:
        return self.free + len(self.idle) * self.per_id + sum(self.left.values())

    def lacking(self, r: Request, tokens: int) -> int:
        return math.ceil(tokens / self.block) - r.private - len(r.held) * self.per_id

    def grow(self, r: Request, tokens: int) -> bool:
        need = self.lacking(r, tokens)
        if need <= 0:
            return True
        if need > self.room():
            return False
        while self.free < need and self.own:
            index = next(iter(self.left))
            self.left[index] -= 1
            self.free += 1
            if not self.left[index]:
                del self.left[index]
        while self.free < need:
            key, _ = self.idle.popitem(last=False)
            del self.refs[key]
            self.free += self.per_id
        self.free -= need
        r.private += need
        return True

    def release(self, r: Request) -> None:
        full = min(r.private, r.computed // self.block) if self.own else 0
        if full:
            self.left[r.index] = full
        self.free += r.private - full
        r.private = 0
        for place in sorted(r.held, reverse=True):
            key = r.prefix[place]
            self.refs[key] -= 1
            if self.refs[key] == 0:
                self.idle[key] = None
        r.held = set()

    # the line
    def order(self, r: Request) -> tuple[int, int]:
        return (r.prio if self.rep.priorities else 0, r.index)

    def head(self) -> Request:
        return min(self.waiting, key=self.order)

    def drop(self) -> None:
        for r in [r for r in self.running if r.cancel <= self.now]:
            self.running.remove(r)
            self.release(r)
            r.status, r.end = "cancelled", r.cancel
        for r in [r for r in self.waiting if r.cancel <= self.now]:
            self.waiting.remove(r)
            r.status, r.end = "cancelled", r.cancel

    def preempt(self, r: Request) -> None:
        self.running.remove(r)
        self.release(r)
        r.preempted += 1
        self.preemptions += 1
        r.new = 0
        if self.rep.preemption == "swap" and r.computed > 0:
            r.status = "swapped"
            self.debt += r.computed * self.rep.swap_s_per_token
        else:
            r.status, r.computed = "waiting", 0
        self.waiting.append(r)

    # planning
    def wanted(self, r: Request, start: int, budget: int) -> int:
        left = r.target - start
        if r.generated > 0 and left == 1:
            want = 1 + self.rep.draft_tokens
            return want if want <= budget else 0
        want = min(left, budget)
        return min(want, self.rep.chunk_tokens) if self.rep.chunk_tokens else want

    def cover(self, r: Request, start: int, want: int) -> int:
        if self.rep.reserve_prompt:
            want = max(want, r.target - start)
        return min(start + want, r.n_in + r.n_out)

    def plan_running(self, budget: int) -> tuple[int, bool]:
        place, preempted = 0, False
        while place < len(self.running) and budget > 0:
            r = self.running[place]
            want = self.wanted(r, r.computed, budget)
            if want == 0:
                break
            while r in self.running and not self.grow(r, self.cover(r, r.computed, want)):
                victim = max(self.running, key=self.order)
                preempted = True
                if self.running.index(victim) < place:
                    budget += victim.new
                    place -= 1
                self.preempt(victim)
            if r not in self.running:
                break
            r.new = want
            budget -= want
            place += 1
        return budget, preempted

    def plan_prefills(self, budget: int) -> int:
        for r in self.running:
            if budget == 0:
                break
            if r.decoding:
                continue
            want = self.wanted(r, r.computed, budget)
            if self.grow(r, self.cover(r, r.computed, want)):
                r.new = want
                budget -= want
        return budget

    def admit(self, budget: int) -> int:
        count = 0
        while self.waiting and len(self.running) + len(self.leaving) < self.rep.max_batch and budget > 0:
            r = self.head()
            hits = 0
            size = self.rep.prefix_tokens if self.rep.prefix_cache else 0
            if r.computed == 0 and size:
                most = min(len(r.prefix), (r.target - 1) // size, r.n_in // size)
                while hits < most and r.prefix[hits] in self.refs:
                    hits += 1
            if r.computed == 0 and self.own:
                size = self.block
                hits = min(self.left.get(r.index, 0), (r.target - 1) // size)
            start = r.computed + hits * size
            want = self.wanted(r, start, budget)
            if want == 0:
                break
            unheld = sum(self.refs[key] == 0 for key in r.prefix[:hits])
            need = self.lacking(r, self.cover(r, start, want)) - hits * (1 if self.own else self.per_id)
            if need > self.room() - (hits if self.own else unheld * self.per_id):
                break
            self.waiting.remove(r)
            if r.status == "swapped":
                self.debt += r.computed * self.rep.swap_s_per_token
            for key in r.prefix[:hits]:
                self.refs[key] += 1
                self.idle.pop(key, None)
            if self.own:
                self.free += self.left.pop(r.index, hits) - hits
                r.private += hits
            else:
                r.held = set(range(hits))
            r.hit += hits * size
            r.computed = start
            assert self.grow(r, self.cover(r, start, want))
            r.status, r.new = "running", want
            self.running.append(r)
            budget -= want
            count += 1
        return count

    def plan(self) -> None:
        for r in self.running:
            r.new = 0
        budget = self.rep.token_budget
        if self.rep.prefill_first:
            left = self.plan_prefills(budget)
            if not (self.admit(left) or left < budget):
                self.plan_running(budget)
            return
        left, preempted = self.plan_running(budget)
        if not preempted:
            self.admit(left)

    # carrying out
    def emitted(self, r: Request) -> int:
        count = 1
        for draw in range(self.rep.draft_tokens):
            if splitmix(self.seed, r.index, r.generated, draw) >= self.rep.acceptance:
                break
            count += 1
        return min(count, r.n_out - r.generated)

    def publish(self, r: Request, start: int, stop: int) -> None:
        if not self.per_id:
            return
        size = self.rep.prefix_tokens
        for place in range(start // size, min(len(r.prefix), min(stop, r.n_in) // size)):
            key = r.prefix[place]
            if key not in self.refs:
                self.refs[key] = 1
                r.held.add(place)
                r.private -= self.per_id

    def step(self) -> None:
        self.drop()
        if not self.running and not self.waiting:
            return
        self.plan()
        self.let_go()
        if not self.running:
            self.plan()
        prefill = pairs = decodes = context = 0
        for r in self.running:
            if r.new and r.decoding:
                decodes += 1
                context += r.computed + 1
            elif r.new:
                prefill += r.new
                pairs += r.new * r.computed + r.new * (r.new + 1) / 2
        length = self.cost.step_time_s(
            prefill_tokens=prefill,
            prefill_pairs=pairs,
            decode_sequences=decodes,
            decode_context_tokens=context,
            draft_tokens=self.rep.draft_tokens,
            draft_s=self.rep.draft_s,
        )
        self.seen_until = self.now
        self.now += length + self.debt
        self.debt = 0.0
        self.steps += 1
        for r in list(self.running):
            self.book(r)

    def book(self, r: Request) -> None:
        if not r.new:
            return
        before = r.computed
        if r.decoding:
            got = self.emitted(r)
            r.computed += got
            r.generated += got
        else:
            r.computed += r.new
            self.publish(r, before, r.computed)
            if r.computed == r.target:
                r.generated += 1
                if r.generated == 1:
                    r.first = self.now
        if r.generated >= r.n_out:
            self.running.remove(r)
            self.leaving.append(r)
            if not self.rep.look_ahead:
                self.let_go()
            r.status, r.end = "done", self.now

    def let_go(self) -> None:
        for r in self.leaving:
            self.release(r)
        self.leaving = []

    def absorb(self, coming: list[Request], limit: float) -> None:
        while coming and coming[0].arrival <= limit:
            r = coming.pop(0)
            if math.ceil((r.n_in + r.n_out) / self.block) > self.blocks:
                r.status, r.end = "rejected", r.arrival
                continue
            r.status = "waiting"
            self.waiting.append(r)

    def run(self, requests: list[Request]) -> None:
        self.own = self.rep.prefix_cache and not any(r.prefix for r in requests)
        coming = sorted(requests, key=lambda r: (r.arrival, r.index))
        while coming or self.running or self.waiting:
            self.absorb(coming, self.seen_until if self.rep.look_ahead else self.now)
            if not self.running and not self.waiting and coming:
                self.let_go()
                self.now = self.seen_until = max(self.now, coming[0].arrival)
                self.absorb(coming, self.now)
            if self.running or self.waiting:
                self.step()
        self.let_go()
        total = self.free + sum(self.left.values()) + len(self.idle) * self.per_id
        assert total == self.blocks, "blocks were lost"
        assert all(count == 0 for count in self.refs.values())
