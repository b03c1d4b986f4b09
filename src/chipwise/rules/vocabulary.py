"""The closed words of questions and answers; a value outside a list is bad input, never a new case."""

from __future__ import annotations

from chipwise.core.errors import RuleError
from chipwise.core.names import nearest_names

ITEM_KINDS = ("chip", "system", "hbm_stack", "foundry_die")
ROUTES = (
    "export_from_us",
    "reexport",
    "in_country_transfer",
    "export_by_foundry",
    "import_into_us_for_reexport",
    "import_into_us_for_use",
    "local_purchase",
    "use_in_place",
    "continued_use_no_shipment",
    "cloud_rental_no_shipment",
    "acquired_for_analysis",
)
BUYERS = (
    "commercial",
    "subsidiary_of_foreign_parent",
    "named_party",
    "government_agency",
    "state_funded_data_center",
    "owned_by_listed_party",
    "cloud_customer",
)
PACKAGERS = ("", "approved_osat", "unapproved_osat", "fabricator")
CLASSES = (
    "at_only",
    "3a090_2022",
    "3a090_a",
    "3a090_a_non_dc",
    "3a090_a_dc_disputed",
    "3a090_b",
    "3a090_c",
    "hbm_not_controlled",
    "4a090_a",
    "4a090_dc_disputed",
    "3a090_a_presumed",
    "no_presumption",
    "prc_3a090_presumed",
    "letter_controlled",
    "letter_controlled_reported",
)
LICENCE = ("yes", "no", "undetermined")
OUTCOMES = (
    "NLR",
    "licence_required",
    "exception_with_notification",
    "exception_no_notification",
    "licence_free_named_party",
    "prohibited_GP10_risk",
    "needs_counsel",
)
POLICIES = (
    "policy_of_denial",
    "presumption_of_denial",
    "case_by_case_conditional_2026",
    "case_by_case",
    "presumption_of_approval",
    "not_published",
    "not_applicable",
)
"""Strictest first; `not_published` gives way to any published policy."""

FREE_OUTCOMES = frozenset({"NLR", "licence_free_named_party"})
EXCEPTION_OUTCOMES = frozenset({"exception_with_notification", "exception_no_notification"})
BARRED_OUTCOMES = frozenset({"licence_required", "prohibited_GP10_risk"})

MOVEMENT = {
    "export_from_us": "cross_border",
    "reexport": "cross_border",
    "export_by_foundry": "cross_border",
    "import_into_us_for_reexport": "import",
    "import_into_us_for_use": "import",
    "in_country_transfer": "in_country",
    "local_purchase": "in_country",
    "acquired_for_analysis": "in_country",
    "use_in_place": "held",
    "continued_use_no_shipment": "held",
    "cloud_rental_no_shipment": "cloud",
}
"""What a route is to the law: a border crossed, a change of hands, hardware held, or remote use."""


def one_of(value: str, allowed: tuple[str, ...], place: str) -> str:
    """The value if it is in the list.

    Raises
    ------
    RuleError
        Otherwise, with the nearest words.
    """
    if value in allowed:
        return value
    raise RuleError(
        f"{value!r} is not a known word", place=place, allowed=", ".join(allowed), nearest=nearest_names(value, allowed)
    )


def strictest(*policies: str) -> str:
    """The strictest of several review policies.

    Examples
    --------
    >>> strictest("not_published", "case_by_case", "policy_of_denial")
    'policy_of_denial'
    """
    return min(policies, key=POLICIES.index)
