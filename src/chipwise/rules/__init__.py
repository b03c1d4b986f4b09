"""What may this buyer have, on this date? Verdicts with reasons, citations, margins and what would flip them.

The law is dated data (`chipwise.data.rules`); a test is a pure function over the parameters in force on the day.
Not legal advice: every free answer is conditional on a party screening that chipwise does not do.
"""

from chipwise.rules.check import check, verdict_of
from chipwise.rules.objects import CaseSpec, Flip, Margin, Step
from chipwise.rules.rulebook import Rulebook, load_rulebook
from chipwise.rules.verdict import Verdict

__all__ = ["CaseSpec", "Flip", "Margin", "Rulebook", "Step", "Verdict", "check", "load_rulebook", "verdict_of"]
