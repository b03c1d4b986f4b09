"""The error tree.

::

    ChipwiseError            exit 70 unless a subclass says otherwise
    ├── InputError           exit 2   something the user wrote cannot be used
    │   ├── DataError        a table or catalogue row
    │   │   └── UnknownName  a name no table knows; offers the nearest
    │   ├── RuleError        a rulebook, overlay or case
    │   └── ScenarioError    a scenario file
    ├── RedFlag              exit 1   a request to arrange round a control: declined
    ├── InfeasiblePlan       exit 1   no plan meets the limits; names them
    └── Undetermined         exit 3   a needed fact is missing or unsettled
        └── OutsideModelRange        asked beyond what the model may answer

Every error is one message with place, value given, what is allowed and, for names, the nearest valid ones.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_YES = 0
EXIT_NO = 1
EXIT_BAD_INPUT = 2
EXIT_UNDETERMINED = 3
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


class ChipwiseError(Exception):
    """Root of every error chipwise raises on purpose.

    Parameters
    ----------
    message : str
        One sentence: what was given and what was expected.
    place : str, optional
        Where: ``file.yaml:12 stock[0].chip``, ``chips.csv row 7``.
    allowed : str, optional
        What is allowed, with range and unit.
    nearest : sequence of str, optional
        Nearest valid names.
    """

    code = "internal"
    exit_status = EXIT_INTERNAL

    def __init__(self, message: str, *, place: str = "", allowed: str = "", nearest: Sequence[str] = ()) -> None:
        self.message = message
        self.place = place
        self.allowed = allowed
        self.nearest = tuple(nearest)
        super().__init__(self.line())

    def line(self) -> str:
        """The whole message as one line."""
        text = f"{self.place}: {self.message}" if self.place else self.message
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.nearest:
            text += f"; nearest: {', '.join(self.nearest)}"
        return text


class InputError(ChipwiseError):
    """Something the user wrote cannot be used."""

    code = "input"
    exit_status = EXIT_BAD_INPUT


class DataError(InputError):
    """A table or catalogue row cannot be used."""

    code = "data"


class UnknownName(DataError):
    """A name that no table knows."""

    code = "unknown-name"


class RuleError(InputError):
    """A rulebook, an overlay or a case cannot be used."""

    code = "rule"


class ScenarioError(InputError):
    """A scenario file cannot be used."""

    code = "scenario"


class RedFlag(ChipwiseError):
    """The request describes arranging a deal so that a requirement is avoided; it is declined."""

    code = "red-flag"
    exit_status = EXIT_NO


class InfeasiblePlan(ChipwiseError):
    """No plan meets the limits; the message names those that bind and the smallest change that mends it."""

    code = "infeasible"
    exit_status = EXIT_NO


class Undetermined(ChipwiseError):
    """A needed fact is missing or unsettled, so no answer is given."""

    code = "undetermined"
    exit_status = EXIT_UNDETERMINED


class OutsideModelRange(Undetermined):
    """The question lies outside the range in which the model may answer."""

    code = "outside-model-range"
