"""Party, money and stock of a scenario file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chipwise.core.dates import first_day, last_day
from chipwise.files.yaml_tree import shown
from chipwise.scenario.border import Border, added, first, negative, times
from chipwise.scenario.objects import Equity, Finance, Loan, Member, Party, Quantity, StockItem

if TYPE_CHECKING:
    from chipwise.files.scenario_schema import ScenarioFile
    from chipwise.files.scenario_schema_numbers import Number
    from chipwise.files.scenario_schema_sections import Finance as FinanceEntry
    from chipwise.files.scenario_schema_sections import Loan as LoanEntry
    from chipwise.files.scenario_schema_sections import Option, Stock

_COUNTRY = re.compile(r"[A-Z]{2}")


def read_party(file: ScenarioFile, border: Border) -> Party:
    """The buyer; the country is the last part of the headquarters."""
    party = file.party
    return Party(
        name=party.name,
        headquarters=party.headquarters,
        headquarters_country=_country(party.headquarters, border),
        parent_country=party.ultimate_parent_country,
        entity_listed=party.entity_list.value if party.entity_list else None,
        military_end_use=party.military_end_use.value if party.military_end_use else None,
        state_funded_site=party.state_funded_site.value if party.state_funded_site else None,
        members=tuple(member.id for member in file.members),
    )


def _country(headquarters: str, border: Border) -> str | None:
    code = headquarters.rsplit(",", 1)[-1].strip()
    if code.casefold() == "unknown":
        return None
    if not _COUNTRY.fullmatch(code):
        raise border.fail(
            ("party", "headquarters"),
            f"{shown(headquarters)} names no country",
            allowed="City, CC or CC with an ISO 3166 code, or unknown",
        )
    return code


def read_stock(file: ScenarioFile, border: Border, as_of: dt.date, members: Sequence[Member]) -> tuple[StockItem, ...]:
    """Chips held on the day of the decision, in chips; a group's are those of its members."""
    if members and file.stock:
        raise border.fail(("stock",), "a group's stock is held by its members", allowed="[] here, stock at each member")
    return _pooled(members, border) if members else _stock(file.stock, border, as_of)


def _stock(entries: Sequence[Stock], border: Border, as_of: dt.date) -> tuple[StockItem, ...]:
    out = []
    for entry in entries:
        item = border.item(entry.chip, (*entry.path, "chip"))
        bought = None
        if entry.bought is not None:
            if first_day(entry.bought.value) > as_of:
                raise border.fail(entry.bought.path, "bought after as_of", allowed=f"{as_of} or earlier")
            bought = min(last_day(entry.bought.value), as_of)
        others = [border.item(name, (*entry.path, "alternatives", i)) for i, name in enumerate(entry.alternatives)]
        out.append(
            StockItem(
                chip_id=item.chip_id,
                chips=border.needed(entry.count, "chips", scale=item.chips),
                bought=bought,
                alternatives=tuple(other.chip_id for other in others),
            )
        )
    return tuple(out)


def read_members(file: ScenarioFile, border: Border, as_of: dt.date) -> tuple[Member, ...]:
    """Members of a group."""
    seen: set[str] = set()
    for member in file.members:
        if member.id in seen:
            raise border.fail(
                (*member.path, "id"), f"member {shown(member.id)} is listed twice", allowed="each member once"
            )
        seen.add(member.id)
    shares = file.demand.inference.member_shares if file.demand.inference else None
    tokens = border.shares(shares, (member.id for member in file.members)) if shares is not None else {}
    members = tuple(
        Member(
            id=member.id,
            cash_usd=border.money(member.cash, "sum"),
            capex_usd_per_year=border.money(member.capex_per_year, "sum per year"),
            order_share=border.needed(member.order_share),
            stock=_stock(member.stock, border, as_of),
            token_share=tokens.get(member.id),
        )
        for member in file.members
    )
    total = sum(member.order_share.value for member in members)
    if members and abs(total - 1.0) > 1e-9:
        raise border.fail(("members",), f"order shares sum to {total:.12g}", allowed="shares that sum to 1")
    return members


def _pooled(members: Sequence[Member], border: Border) -> tuple[StockItem, ...]:
    """Stock of all members, one line for each type, in the order of first mention."""
    parts: dict[str, list[StockItem]] = {}
    for member in members:
        for line in member.stock:
            parts.setdefault(line.chip_id, []).append(line)
    out = []
    for chip_id, lines in parts.items():
        dates = [line.bought for line in lines]
        bought = max((day for day in dates if day is not None), default=None) if None not in dates else None
        source = "sum over members: " + "; ".join(dict.fromkeys(line.chips.source for line in lines))
        total = added(border.id_of(("members", chip_id)), [line.chips for line in lines], source)
        out.append(StockItem(chip_id=chip_id, chips=total, bought=bought))
    return tuple(out)


def read_finance(
    file: ScenarioFile, border: Border, members: Sequence[Member], as_of: dt.date
) -> tuple[Finance, list[str]]:
    """Money of the party and warnings."""
    entry = file.finance
    warnings: list[str] = []
    burn_path = _burn_path(entry, border, as_of)
    ceiling_entry = entry.ai_capex_ceiling_per_year or entry.accelerator_budget_per_year
    ceiling = border.money(ceiling_entry, "sum per year")
    cash = border.money(entry.cash or entry.cash_and_investments, "sum")
    if members:
        cash = cash or _over_members(border, "cash", [member.cash_usd for member in members])
        if ceiling is None:
            ceiling = _over_members(border, "capex_per_year", [member.capex_usd_per_year for member in members])
            if ceiling is not None:
                warnings.append("the ceiling on chips is the sum of the members' capital expenditure of all kinds")
    _check_reader_money(entry, border)
    finance = Finance(
        cash_usd=cash,
        capex_ceiling_usd_per_year=ceiling,
        burn_usd_per_month=burn_path[0][1] if burn_path else None,
        loans=_loans(entry, border),
        equity=tuple(
            _equity(option, border) for option in entry.options if option.kind not in ("loan", "cloud_credit")
        ),
        discount_rate_per_year=border.needed(entry.discount_rate, "1/year"),
        burn_path_usd_per_month=burn_path if len(burn_path) > 1 else (),
        cloud_credits=tuple(_equity(option, border) for option in entry.options if option.kind == "cloud_credit"),
        repay_rule=entry.repay_rule or "",
    )
    if len(burn_path) > 1:
        warnings.append("staff grows over the horizon: the burn given is that of as_of, burn_path has the rest")
    if finance.cloud_credits:
        warnings.append("cloud credit is compute in kind, not cash: it is kept apart from money that may be raised")
    return finance, warnings


def _check_reader_money(entry: FinanceEntry, border: Border) -> None:
    """Money that no plan uses must still be well written."""
    border.money(entry.revenue_per_year, "sum per year")
    border.money(entry.valuation, "sum")
    border.number(entry.depreciation_years, "year")
    for dated in (entry.__pydantic_extra__ or {}).values():
        border.money(dated, "sum")


def _over_members(border: Border, key: str, parts: Sequence[Quantity | None]) -> Quantity | None:
    """Sum over members; None when one of them is not published."""
    given = [part for part in parts if part is not None]
    if not given or len(given) < len(parts):
        return None
    source = "sum over members: " + "; ".join(dict.fromkeys(part.source for part in given))
    return added(border.id_of(("members", key)), given, source)


def _burn_path(entry: FinanceEntry, border: Border, as_of: dt.date) -> tuple[tuple[dt.date, Quantity], ...]:
    """Running costs less running revenue by date; empty when the file names no cost.

    Costs are staff times cost per head, other burn and training data; only what the file has is added.
    """
    per_head = border.money(entry.cost_per_head, "rate")
    fixed = [border.money(entry.other_burn, "rate"), border.money(entry.training_data, "rate")]
    revenue = border.money(entry.revenue, "rate")
    heads = _heads(entry, border, as_of)
    costs = [cost for cost in fixed if cost is not None]
    names = [name for name, cost in zip(("other burn", "training data"), fixed, strict=True) if cost is not None]
    if per_head is None or not heads:
        heads = []
        if entry.other_burn is None:
            return ()
    out: list[tuple[dt.date, Quantity]] = []
    steps: list[tuple[dt.date, Quantity | None]] = [*heads] or [(as_of, None)]
    for day, staff in steps:
        parts = list(costs)
        if staff is not None and per_head is not None:
            parts.insert(0, times(staff, per_head))
        if revenue is not None:
            parts.append(negative(revenue))
        said = [*(["staff x cost per head"] if staff is not None else []), *names]
        source = " + ".join(said) + (" - revenue" if revenue is not None else "")
        place = ("finance", "burn") if not out else ("finance", "burn", len(out))
        out.append((day, added(border.id_of(place), parts, source)))
    return tuple(out)


def _heads(entry: FinanceEntry, border: Border, as_of: dt.date) -> list[tuple[dt.date, Quantity]]:
    """Staff from as_of on: the number given, or a path that holds each number until the next date."""
    staff = border.number(entry.staff, "people")
    if staff is not None:
        return [(as_of, staff)]
    if entry.staff_path is None:
        return []
    path = entry.staff_path
    steps: list[tuple[dt.date, Quantity]] = []
    for index, step in enumerate(path.value):
        place = (*path.path, "value", index)
        day = first_day(step.date)
        if steps and day <= steps[-1][0]:
            raise border.fail((*place, "date"), "dates do not ascend", allowed=f"after {steps[-1][0]}")
        people = Quantity(
            id=border.id_of((*place, "heads")),
            value=step.heads,
            low=step.heads,
            high=step.heads,
            unit="people",
            source=path.source(),
            status="estimated" if path.src else "assumed",
        )
        steps.append((day, people))
    before = [step for step in steps if step[0] <= as_of]
    now = before[-1][1] if before else steps[0][1]
    return [(as_of, now), *(step for step in steps if step[0] > as_of)]


def _loans(entry: FinanceEntry, border: Border) -> tuple[Loan, ...]:
    loans: list[Loan] = []
    terms = entry.loan.new if entry.loan is not None and entry.loan.new is not None else entry.loan
    if terms is not None and terms.rate is not None:
        loans.append(_loan("loan", terms, border))
    loans.extend(_loan(option.lender or "loan", option, border) for option in entry.options if option.kind == "loan")
    return tuple(loans)


def _loan(name: str, terms: LoanEntry | Option, border: Border) -> Loan:
    def whole(key: str, part: Number | None) -> Number:
        if part is None:
            raise border.fail((*terms.path, key), f"missing key `{key}`", allowed="rate, max and tenor_months")
        return part

    from_ = getattr(terms, "from_", None)
    return Loan(
        name=name,
        rate_per_year=border.needed(whole("rate", terms.rate), "1/year"),
        max_usd=border.money_needed(whole("max", terms.max), "sum"),
        tenor_months=border.needed(whole("tenor_months", terms.tenor_months), "months"),
        loan_to_value=border.number(terms.ltv),
        available_from=first(from_),
    )


def _equity(option: Option, border: Border) -> Equity:
    amount = option.amount or option.max
    if amount is None:
        raise border.fail(option.path, "missing key `amount`", allowed="amount or max, a sum of money")
    return Equity(
        name=option.kind,
        amount_usd=border.money_needed(amount, "sum"),
        available_from=first(option.from_),
        probability=border.number(option.p_available),
        pre_money_usd=border.money(option.pre_money, "sum"),
        condition=option.condition or "",
    )
