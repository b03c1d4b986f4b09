"""The planning problem as a linear programme: one set of variables per node of the tree.

Minimise the expected discounted cost of buying, renting, tokens bought, power and interest, less what chips are worth
at the end, plus a stated value of work missed. Chips are durable capital: a stock yields work for as long as it runs,
idle chips cost nothing, and wear takes its yearly share.

Where a raise of equity has failed, running costs may be cut (the firm winds down) at a stated value above their amount;
elsewhere they are due.

Financing is neutral but for interest: principal moves cash, not the objective, so that the plan borrows only where
cash binds.
"""

from __future__ import annotations

from dataclasses import dataclass

from chipwise.planning import model_money, model_work
from chipwise.planning.inputs import PlanInputs
from chipwise.planning.lp import Ints, Programme
from chipwise.planning.model_frame import Deliveries, frame_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Column numbers of each block of variables; -1 where a variable does not exist."""

    order: Ints
    new: Ints
    rent: Ints
    serve: Ints
    unserved: Ints
    api: Ints
    train: Ints
    final: Ints
    short: Ints
    final_short: Ints
    draw: Ints
    repay: Ints
    owed: Ints
    cash: Ints
    gap: Ints
    cut: Ints
    adopt: Ints
    extra_share: Ints
    extra_chips: Ints
    share_row: Ints
    capex_rows: Ints
    cash_row: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanModel:
    """The programme with the map from its columns to meaning."""

    inputs: PlanInputs
    programme: Programme
    blocks: Blocks
    arrivals: Deliveries


def build_model(inputs: PlanInputs) -> PlanModel:
    """Build the programme of one planning problem.

    Parameters
    ----------
    inputs : PlanInputs

    Returns
    -------
    PlanModel
    """
    frame = frame_of(inputs)
    order, new, rent = model_work.stock(frame)
    serve, unserved, api, room = model_work.serving(frame, new, rent)
    train, final, short, final_short, share_row = model_work.training(frame, new, rent, room)
    money = model_money.money(frame, order, new, rent, serve, api, train, final)
    adopt = model_money.adoption(frame, order, money["cash_row"])
    extra_share, extra_chips = model_work.relaxations(frame, room, share_row)
    blocks = Blocks(
        order=order,
        new=new,
        rent=rent,
        serve=serve,
        unserved=unserved,
        api=api,
        train=train,
        final=final,
        short=short,
        final_short=final_short,
        adopt=adopt,
        extra_share=extra_share,
        extra_chips=extra_chips,
        share_row=share_row,
        **money,
    )
    return PlanModel(inputs=inputs, programme=frame.lp.programme(), blocks=blocks, arrivals=frame.arrivals)
