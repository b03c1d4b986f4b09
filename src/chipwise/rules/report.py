"""An answer as lines of text, for a reader who knows no law."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from chipwise.rules.objects import Margin, Step
from chipwise.rules.verdict import Verdict
from chipwise.rules.wording import MEASURE_WORDS, number, span_text

_OUTCOME_WORDS = {
    "NLR": "May be supplied without a licence, if the parties and the end use are screened and clear.",
    "licence_required": "Needs a licence.",
    "exception_with_notification": "May be supplied under a licence exception, after prior notice.",
    "exception_no_notification": "May be supplied under a licence exception, without notice.",
    "licence_free_named_party": "The rule frees this party: no licence, if it is screened and clear.",
    "prohibited_GP10_risk": "The act may breach General Prohibition 10.",
    "needs_counsel": "Cannot be said here: a person must read the law and the facts.",
}
_WIDTH = 110
GLOSSARY = (
    "TPP (total processing performance) is operations per second, in 10^12, times the bit length of the numbers; "
    "density is TPP per mm² of logic. ECCN 3A090 is the entry of the US control list for AI chips. Country Group D:5 "
    "holds the arms-embargoed countries, China among them."
)


def summary_lines(verdict: Verdict) -> Iterator[str]:
    """The answer in a few lines: outcome, class, licence, review, duties, doubt."""
    yield f"{verdict.item} to {verdict.to}, headquarters {verdict.hq}, on {verdict.on.isoformat()}"
    yield f"  ({verdict.route}, buyer {verdict.buyer})"
    yield f"  {_OUTCOME_WORDS[verdict.outcome]}"
    rows = (
        ("outcome", verdict.outcome + (f" ({verdict.exception})" if verdict.exception else "")),
        ("class", verdict.classification),
        ("licence required", verdict.licence_required),
        ("review policy", verdict.review_policy),
        ("party screening", verdict.party_screening + " (screen every party elsewhere)"),
    )
    for name, value in rows:
        yield f"  {name:<17}{value}"
    if verdict.question:
        questions = verdict.rulebook.tables["open_questions"]
        yield from _wrapped("open question", str(questions.get(verdict.question, {}).get("text", verdict.question)))
    for margin in verdict.margins:
        if margin.near:
            yield from _wrapped("near a line", _margin_text(margin))
    gate = verdict.china_gate
    if gate["applies"] and gate["items"]:
        yield from _wrapped(
            "Chinese side", f"{gate['status'].replace('_', ' ')}: " + "; ".join(i["fact"] for i in gate["items"])
        )
    if verdict.recheck_required:
        newest = verdict.rulebook.newest_source.isoformat()
        yield from _wrapped("recheck", f"the newest source is of {newest}; check for later law before relying on this")


def _margin_text(margin: Margin) -> str:
    words, unit = MEASURE_WORDS[margin.measure]
    figure = span_text((margin.low, margin.high))
    share = "straddles it" if margin.straddles else f"{margin.relative_low:+.1%}"
    return f"{words} {figure}{unit} against {number(margin.threshold)} ({share}; {margin.citation})"


def _wrapped(name: str, text: str) -> Iterator[str]:
    lines = textwrap.wrap(text, _WIDTH - 19) or [""]
    yield f"  {name:<17}{lines[0]}"
    for line in lines[1:]:
        yield " " * 19 + line


def explained_lines(verdict: Verdict) -> Iterator[str]:
    """Every step with its law, then what would change the answer."""
    yield ""
    yield "Why, step by step:"
    for index, step in enumerate(verdict.steps, start=1):
        yield f"{index:>3}. {step.layer.replace('_', ' ')}: {step.finding}"
        for line in textwrap.wrap(step.reason, _WIDTH - 5):
            yield f"     {line}"
        law = _law_text(step)
        if law:
            yield f"     [{law}]"
    yield from textwrap.wrap(f"Words: {GLOSSARY}", _WIDTH)
    flips = verdict.flips
    if flips:
        yield "What would change the answer:"
        for flip in flips:
            yield from (
                f"  {line}"
                for line in textwrap.wrap(f"- {flip.what}: {flip.outcome}, licence {flip.licence_required}", _WIDTH)
            )


def _law_text(step: Step) -> str:
    dates = ""
    if step.effective_from is not None:
        dates = f", in force from {step.effective_from.isoformat()}"
        if step.effective_until is not None:
            dates += f" to before {step.effective_until.isoformat()}"
    return step.citation + dates if step.citation else ""
