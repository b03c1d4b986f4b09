"""Results as tables for notebooks: Arrow and pandas, one function for each, for every kind of result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from chipwise.catalogue.catalogue import Catalogue
from chipwise.core.errors import InputError
from chipwise.core.json_text import plain
from chipwise.core.tabular import Table, arrow_table, chosen, pandas_frame

if TYPE_CHECKING:
    from chipwise.planning.result import Plan
    from chipwise.planning.runway_result import Runway

    Result = Plan | Runway | Catalogue | Mapping[str, Any]

Tables = dict[str, Callable[[], Table]]


def table_names(result: Result) -> tuple[str, ...]:
    """Names of the tables a result holds; the first is what `to_arrow` gives when not asked for another.

    Examples
    --------
    >>> from chipwise.catalogue import load_catalogue
    >>> table_names(load_catalogue())
    ('chips', 'systems', 'prices', 'supply', 'models')
    """
    return tuple(_tables(result))


def to_arrow(result: Result, table: str | None = None) -> Any:
    """One table of a result as a ``pyarrow.Table``.

    Parameters
    ----------
    result : Plan, Runway, Catalogue or mapping
        A mapping is the content of a plan.json.
    table : str, optional
        Plan: ``lines`` (the default), ``branches``, ``verdicts``, ``yields``, ``facts``, ``sensitivity``.
        Runway: ``senses``, ``drivers``, ``inputs``. Catalogue: ``chips``, ``systems``, ``prices``, ``supply``,
        ``models``.

    Returns
    -------
    pyarrow.Table
        SI units and US dollars, units in the names; what is not known is null.

    Raises
    ------
    UnknownName
        When the result has no such table.
    InputError
        When the result is of another kind.
    """
    return arrow_table(chosen(_tables(result), table))


def to_pandas(result: Result, table: str | None = None) -> Any:
    """One table of a result as a ``pandas.DataFrame``; see `to_arrow`.

    Raises
    ------
    InputError
        When pandas is not installed, or the result is of another kind.
    UnknownName
        When the result has no such table.
    """
    return pandas_frame(chosen(_tables(result), table))


def _tables(result: Any) -> Tables:
    from chipwise.catalogue.tables import CATALOGUE_TABLES

    if isinstance(result, Catalogue):
        return {name: partial(build, result) for name, build in CATALOGUE_TABLES.items()}
    from chipwise.planning.result import Plan
    from chipwise.planning.runway_result import Runway
    from chipwise.runs.tables import PLAN_TABLES, RUNWAY_TABLES

    if isinstance(result, Runway):
        facts = [entry.to_fact().to_dict() for entry in result.inputs]
        content = plain({**result.to_dict(), "facts": facts})
        return {name: partial(build, content) for name, build in RUNWAY_TABLES.items()}
    if isinstance(result, Plan) or (isinstance(result, Mapping) and "plan" in result):
        content = plain(result.to_dict() if isinstance(result, Plan) else dict(result))
        return {name: partial(build, content) for name, build in PLAN_TABLES.items()}
    raise InputError(
        f"a {type(result).__name__} has no tables",
        place="result",
        allowed="a Plan, a Runway, a Catalogue, or the content of plan.json",
    )
