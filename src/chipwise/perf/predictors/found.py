"""Which predictors there are: built in, and of other packages."""

from __future__ import annotations

from importlib.metadata import entry_points

from chipwise.core.errors import InputError, UnknownName
from chipwise.core.names import nearest_names
from chipwise.perf.predictors.aiconfigurator import AIConfigurator
from chipwise.perf.predictors.own import OwnPredictor
from chipwise.perf.predictors.protocol import Predictor

GROUP = "chipwise.predictors"


def predictors() -> dict[str, Predictor]:
    """Every predictor by name; those of other packages are loaded from the entry point group.

    Raises
    ------
    InputError
        A plug-in cannot be loaded, is no predictor, or takes a name that is taken.
    """
    found: dict[str, Predictor] = {each.name: each for each in (OwnPredictor(), AIConfigurator())}
    for point in entry_points(group=GROUP):
        try:
            made = point.load()
        except Exception as error:  # a plug-in may fail in any way
            raise InputError(f"cannot be loaded: {error}", place=f"{GROUP}: {point.name}") from None
        made = made() if isinstance(made, type) else made
        if not isinstance(made, Predictor):
            raise InputError(
                "is no predictor", place=f"{GROUP}: {point.name}", allowed="an object with name, unknown and predict"
            )
        if made.name in found:
            raise InputError(f"the name {made.name!r} is taken", place=f"{GROUP}: {point.name}", allowed="another")
        found[made.name] = made
    return found


def predictor(name: str) -> Predictor:
    """One of them.

    Raises
    ------
    UnknownName
        There is none of that name.
    """
    found = predictors()
    if name not in found:
        near = nearest_names(name, list(found), count=2)
        raise UnknownName(f"no predictor {name!r}", place="predictor", allowed=", ".join(found), nearest=near)
    return found[name]
