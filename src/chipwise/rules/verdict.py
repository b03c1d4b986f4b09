"""The verdict: the answer to one case, with reasons rebuilt on demand."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from chipwise.core.notebook import shown_in_notebook
from chipwise.rules.objects import Answer, CaseSpec, Flip, Margin, Step
from chipwise.rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to one case; reasons, margins and flips are rebuilt from the case on demand.

    Every free answer is conditional on a party screening that chipwise does not do. Not legal advice.
    """

    case: CaseSpec
    answer: Answer
    rulebook: Rulebook

    _repr_html_ = shown_in_notebook

    @property
    def item(self) -> str:
        """The name asked about."""
        return self.case.item

    @property
    def chip_id(self) -> str:
        """Catalogue id of the chip, or of the chip inside the system."""
        return self.case.chip_id

    @property
    def to(self) -> str:
        """Destination, ISO code as given."""
        return self.case.asked_to or self.case.to

    @property
    def hq(self) -> str:
        """Headquarters of the buyer or of its ultimate parent, or ``unknown``."""
        return self.case.asked_hq or self.case.hq

    @property
    def on(self) -> dt.date:
        """Day of the transaction."""
        return self.case.on

    @property
    def route(self) -> str:
        """How the item moves."""
        return self.case.route

    @property
    def buyer(self) -> str:
        """Kind of receiving party."""
        return self.case.buyer

    @property
    def classification(self) -> str:
        """Class of the item, a word of the vocabulary."""
        return self.answer.classification

    @property
    def licence_required(self) -> str:
        """yes, no or undetermined; yes also where an exception lifts the requirement."""
        return self.answer.licence_required

    @property
    def outcome(self) -> str:
        """What the buyer meets, a word of the vocabulary."""
        return self.answer.outcome

    @property
    def review_policy(self) -> str:
        """How a licence application would be weighed."""
        return self.answer.review_policy

    @property
    def exception(self) -> str:
        """Licence exception that lifts the requirement, or empty."""
        return self.answer.exception

    @property
    def question(self) -> str:
        """Id of the open question behind needs_counsel, or empty."""
        return self.answer.question

    @property
    def classes_possible(self) -> tuple[str, ...]:
        """Every class the known facts allow; more than one where a figure or the design is open."""
        from chipwise.rules.class_words import possible_classifications

        return possible_classifications(self.case, self.rulebook.law(self.case.on))

    @property
    def party_screening(self) -> str:
        """Always ``not_performed``, unless a list of the user's own was searched."""
        return "not_performed"

    @property
    def recheck_required(self) -> bool:
        """True past the newest source the rulebook was checked against."""
        return self.rulebook.recheck_required(self.case.on)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The layers in order, each with finding, reason and citation."""
        from chipwise.rules.explain import steps_of

        return steps_of(self.case, self.answer, self.rulebook)

    @property
    def margins(self) -> tuple[Margin, ...]:
        """Distance to every numeric line in force that day."""
        from chipwise.rules.margins import margins_of

        return margins_of(self.case, self.rulebook)

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Facts, dates and law that would change the answer; never a way round a line."""
        from chipwise.rules.flips import flips_of

        return flips_of(self.case, self.answer, self.rulebook)

    @property
    def china_gate(self) -> dict[str, Any]:
        """The Chinese side, where the destination is mainland China; it never changes the US answer."""
        from chipwise.rules.china_gate import gate_of

        return gate_of(self.case, self.rulebook)

    @property
    def citations(self) -> tuple[str, ...]:
        """The law the steps rest on, each once."""
        return tuple(dict.fromkeys(step.citation for step in self.steps if step.citation))

    @property
    def exit_status(self) -> int:
        """0 free or by exception, 1 licence needed or barred, 3 undetermined."""
        from chipwise.core.errors import EXIT_NO, EXIT_UNDETERMINED, EXIT_YES
        from chipwise.rules.vocabulary import BARRED_OUTCOMES

        if self.outcome == "needs_counsel":
            return EXIT_UNDETERMINED
        return EXIT_NO if self.outcome in BARRED_OUTCOMES else EXIT_YES

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON, with the keys of the contract."""
        return {
            "item": self.item,
            "chip_id": self.chip_id,
            "to": self.to,
            "hq": self.hq,
            "on": self.on.isoformat(),
            "route": self.route,
            "buyer": self.buyer,
            "classification": self.classification,
            "classes_possible": list(self.classes_possible),
            "licence_required": self.licence_required,
            "outcome": self.outcome,
            "review_policy": self.review_policy,
            "exception": self.exception or None,
            "open_question": self.question or None,
            "steps": [step.to_dict() for step in self.steps],
            "margins": [margin.to_dict() for margin in self.margins],
            "flips": [flip.to_dict() for flip in self.flips],
            "citations": list(self.citations),
            "party_screening": self.party_screening,
            "china_gate": self.china_gate,
            "recheck_required": self.recheck_required,
            "rulebook": self.rulebook.name,
            "not_legal_advice": True,
        }
