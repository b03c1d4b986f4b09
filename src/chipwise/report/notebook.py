"""Results as small HTML tables for notebooks; every text is escaped, nothing is loaded from anywhere.

Colours are left to the notebook, so that light and dark both read well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from chipwise.catalogue.catalogue import COUNTED, Catalogue
from chipwise.catalogue.describe import chip_facts, label, shown_range, shown_unit, tpp_formula
from chipwise.catalogue.describe_models import describe_model
from chipwise.catalogue.objects import Chip, Model, System
from chipwise.core.errors import InputError
from chipwise.core.json_text import plain
from chipwise.report import palette, text
from chipwise.report.warned import ranked_warnings

if TYPE_CHECKING:
    from chipwise.planning.result import Plan
    from chipwise.planning.runway_result import Runway
    from chipwise.rules import Verdict

NOT_LEGAL_ADVICE = "Not legal advice."
MOST_LINES = 12
MOST_WARNINGS = 3


def html_of(result: object) -> str:
    """A result as HTML: Plan, Runway, Verdict, Catalogue, Chip, Model or System.

    Raises
    ------
    InputError
        When the result is of another kind.
    """
    package = ".".join(type(result).__module__.split(".")[:2])
    view = _VIEWS.get((package, type(result).__name__))
    if view is None:
        allowed = ", ".join(name for _, name in _VIEWS)
        raise InputError(f"a {type(result).__name__} has no view", place="result", allowed=allowed)
    return view(result)


def _page(title: str, *parts: str, foot: str = "") -> str:
    small = f'<p style="font-size:smaller;opacity:.75">{escape(foot)}</p>' if foot else ""
    return f'<div class="chipwise"><p><strong>{escape(title)}</strong></p>{"".join(parts)}{small}</div>'


def _sentence(words: str) -> str:
    return f"<p>{escape(words)}</p>" if words else ""


def _table(headers: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> str:
    def cells(tag: str, values: Sequence[object]) -> str:
        made = []
        for index, value in enumerate(values):
            style = f"text-align:{'right' if index in right else 'left'};padding:1px 8px;vertical-align:top"
            made.append(f'<{tag} style="{style}">{escape("" if value is None else str(value))}</{tag}>')
        return "".join(made)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', headers)}</tr></thead><tbody>{body}</tbody></table>" if body else ""


def _plan(plan: Plan) -> str:
    content: dict[str, Any] = plain(plan.to_dict())
    scenario, body = content["scenario"], content["plan"]
    acts = [line for line in body["now"] if line["action"] not in ("assign", "defer")]
    lines = [*acts, *(line for line in body["now"] if line not in acts)]
    more = len(lines) - MOST_LINES
    warnings = ranked_warnings(content)
    said = "".join(f"<li>{escape(entry)}</li>" for entry in warnings[:MOST_WARNINGS])
    head = f"Plan of {scenario['id']}, {scenario['as_of']}: {body['status']}, gap to the bound {body['gap']:.2%}"
    return _page(
        head,
        _sentence("" if acts else "Buy, rent and borrow nothing today."),
        _table(
            ("do now", "chip or workload", "count", "when", "cost", "answer of the law"),
            [_plan_line(line) for line in lines[:MOST_LINES]],
            right=(2, 4),
        ),
        _sentence(f"and {more} more: to_pandas(plan)" if more > 0 else ""),
        _senses(content["runway"]),
        f"<ul>{said}</ul>" if said else "",
        _sentence(f"{len(warnings)} warnings in all" if len(warnings) > MOST_WARNINGS else ""),
        foot=f"Law and offers known on {content['known_on']}; data {content['data_snapshot']}. {NOT_LEGAL_ADVICE}",
    )


def _plan_line(line: Mapping[str, Any]) -> tuple[object, ...]:
    what = " on ".join(str(line[key]) for key in ("chip", "workload") if line.get(key))
    number = "" if line["count"] is None else text.count(line["count"])
    cost = text.usd(line["cost_usd"]) if line["cost_usd"] else ""
    return line["action"], what, number, line["when"], cost, _outcome(line["outcome"])


def _outcome(word: str) -> str:
    known = palette.answer(word)
    return f"{known.mark} {known.short}" if word else ""


def _senses(runway: Mapping[str, Any]) -> str:
    rows = []
    for name in ("programme", "flagship", "squeeze", "wear"):
        sense = runway.get(name) or {}
        low, high = (text.years(sense[end], unit=False) if end in sense else "" for end in ("low", "high"))
        span = f"{low} to {high}" if low and sense.get("years") is not None else ""
        mark = "ends first" if runway.get("binding") == name else ""
        rows.append((name, text.years(sense.get("years")), span, mark or sense.get("undetermined", "")))
    return _table(("runway", "central", "90 % of draws, years", ""), rows, right=(1, 2))


def _runway(runway: Runway) -> str:
    content: dict[str, Any] = plain(runway.to_dict())
    return _page(
        f"Runway of {content['scenario']}, {content['as_of']}",
        _senses(content),
        "".join(_sentence(entry) for entry in content["warnings"]),
        foot=f"{content['draws']:,} draws, seed {content['seed']}.",
    )


def _verdict(verdict: Verdict) -> str:
    content: dict[str, Any] = plain(verdict.to_dict())
    exception = f" ({content['exception']})" if content.get("exception") else ""
    rows = (
        ("answer", _outcome(content["outcome"]) + exception),
        ("meaning", palette.answer(content["outcome"]).meaning),
        ("class", content["classification"]),
        ("licence required", content["licence_required"]),
        ("review policy", content["review_policy"]),
        ("party screening", content["party_screening"]),
        ("law", "; ".join(content["citations"])),
    )
    return _page(
        f"{verdict.item} to {verdict.to}, headquarters {verdict.hq}, on {verdict.on}",
        _table(("", ""), rows),
        _sentence("There may be later law: check before relying on this." if content["recheck_required"] else ""),
        foot=NOT_LEGAL_ADVICE,
    )


def _chip(chip: Chip) -> str:
    rows = [
        (label(fact.id.rpartition("#")[2]), shown_range(fact), shown_unit(fact.unit), fact.status, fact.as_of)
        for fact in chip_facts(chip)
    ]
    return _page(
        f"{chip.name} ({chip.id}), {chip.vendor}, {chip.vendor_country}; {chip.market}, {chip.status}",
        _table(("figure", "value", "unit", "status", "as of"), rows, right=(1,)),
        _sentence(tpp_formula(chip)),
        foot=f"Confidence {chip.confidence}; checked on {chip.checked_on or 'no day'}; source: {chip.sources}",
    )


def _model(model: Model) -> str:
    record = describe_model(model)
    rows = [
        (fact["id"].rpartition("#")[2], _size(fact["value"], fact["unit"]), fact["unit"], fact["status"])
        for fact in record["facts"]
    ]
    return _page(
        f"{model.name} ({model.id}), {model.vendor}, {model.kind}, {model.release_date}",
        _table(("figure", "value", "unit", "status"), rows, right=(1,)),
        _sentence("" if model.has_shape else "No shape is published: nothing can be computed for this model."),
        foot=f"Confidence {model.confidence}: {model.evidence}; source: {model.sources}",
    )


def _size(value: float, unit: str) -> str:
    return f"{value / 1e9:,.5g} × 10⁹" if unit == "weights" or value >= 1e9 else f"{value:,.10g}"


def _system(system: System) -> str:
    def scaled(value: float | None, unit: float, name: str) -> str:
        return "not known" if value is None else f"{value / unit:,.6g} {name}"

    price = scaled(system.price_usd, 1.0, "USD")
    if system.price_usd is not None:
        fact_only = "; a market fact, no offer" if system.price_kind in ("street", "resale") else ""
        price += f" ({system.price_kind}, {system.price_date}{fact_only})"
    rows = (
        ("inside", f"{system.chips} x {system.chip_id}"),
        ("fabric", f"{system.fabric}, {system.topology}"),
        ("fabric, one chip one way", scaled(system.fabric_bytes_per_s_per_dir, 1e9, "GB/s")),
        ("network, one chip one way", scaled(system.scaleout_bytes_per_s_per_chip, 1e9, "GB/s")),
        ("power at most", scaled(system.node_power_w, 1e3, "kW")),
        ("price", price),
    )
    return _page(
        f"{system.name} ({system.id}), {system.vendor}",
        _table(("", ""), rows),
        foot=f"Confidence {system.confidence}; source: {system.sources}",
    )


def _catalogue(catalogue: Catalogue) -> str:
    rows = [(name, f"{len(getattr(catalogue, name)):,}") for name in COUNTED]
    return _page(
        f"Catalogue {catalogue.snapshot}",
        _table(("table", "rows"), rows, right=(1,)),
        _sentence(f"With your folders {', '.join(catalogue.overlays)} laid over it." if catalogue.overlays else ""),
    )


_VIEWS: Mapping[tuple[str, str], Callable[[Any], str]] = {
    ("chipwise.planning", "Plan"): _plan,
    ("chipwise.planning", "Runway"): _runway,
    ("chipwise.rules", "Verdict"): _verdict,
    ("chipwise.catalogue", "Catalogue"): _catalogue,
    ("chipwise.catalogue", "Chip"): _chip,
    ("chipwise.catalogue", "Model"): _model,
    ("chipwise.catalogue", "System"): _system,
}
"""Package and class by name, so that a chip can be shown without loading the planner."""
