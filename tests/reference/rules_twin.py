"""A slow, plain second reading of the law for one settled case: no tables, no intervals, no caches.

It covers chips of known figures and known design made by NVIDIA, from 2022-08-26 to before 2025-01-13, for ordinary
buyers with known headquarters, and knows only the countries listed here.
"""

from __future__ import annotations

import datetime as dt

A_OR_A6 = {"DE", "JP", "IL", "SG", "TW", "IN"}
D1_OR_D4 = {"CN", "MO", "AE", "SA", "VN", "IL", "KH", "VE", "RU"}
D5 = {"CN", "VE", "KH", "RU"}
NAMED_2022 = {"a100-40-sxm", "a100-80-sxm", "a100-40-pcie", "a100-80-pcie", "h100-sxm", "h100-pcie", "h100-nvl"}
GULF = {"AE", "SA"}
FREE = ("no", "NLR", "not_applicable")


def nicaragua_is_listed(day):
    return day >= dt.date(2024, 3, 15)


def near(code, day):
    return code in D5 or code == "MO" or (code == "NI" and nicaragua_is_listed(day))


def reached(code, day):
    if code in A_OR_A6:
        return False
    return code in D1_OR_D4 or (code == "NI" and nicaragua_is_listed(day))


def entry(chip_id, tpp, density, io, data_center, day):
    if day < dt.date(2022, 10, 21):
        return "none"
    if day < dt.date(2023, 11, 17):
        return "2022" if tpp >= 4800 and io >= 600 else "none"
    if not data_center and tpp < 4800:
        return "none"
    if tpp >= 4800 or (tpp >= 1600 and density >= 5.92):
        return "a"
    if (tpp >= 2400 and density >= 1.6) or (tpp >= 1600 and density >= 3.2):
        return "b"
    return "none"


def letter(chip_id, tpp, io, data_center, to, hq, day):
    """yes, open or no."""
    found = "no"
    if (
        day < dt.date(2023, 11, 17)
        and to in ("CN", "RU", "MO")
        and (chip_id in NAMED_2022 or (tpp >= 4800 and io >= 600))
    ):
        found = "open" if to == "MO" else "yes"
    if dt.date(2023, 8, 1) <= day < dt.date(2023, 11, 17) and chip_id in NAMED_2022 and (to in GULF or near(hq, day)):
        found = "open" if found == "no" else found
    if dt.date(2023, 10, 23) <= day < dt.date(2023, 11, 17) and tpp >= 4800 and data_center:
        if to in ("CN", "MO"):
            found = "yes"
        elif reached(to, day) and found == "no":
            found = "open"
    return found


def answer(chip_id, tpp, density, io, data_center, to, hq, route, day):
    """licence, outcome, policy."""
    kind = entry(chip_id, tpp, density, io, data_center, day)
    if to == "RU":
        return "yes", "licence_required", "policy_of_denial"
    word = letter(chip_id, tpp, io, data_center, to, hq, day)
    if route == "in_country_transfer" and word == "yes":
        word = "open"
    if kind == "2022":
        if to == "CN" or (to == "MO" and day >= dt.date(2023, 1, 17)):
            allied = hq in ("US", "DE", "JP", "IL", "SG", "TW", "IN")
            return "yes", "licence_required", "case_by_case" if allied else "presumption_of_denial"
        if word == "yes":
            return "yes", "licence_required", "not_published"
        return FREE if word == "no" else ("undetermined", "needs_counsel", "not_published")
    if kind == "none":
        if word == "yes":
            return "yes", "licence_required", "not_published"
        return FREE if word == "no" else ("undetermined", "needs_counsel", "not_published")
    close = near(to, day) or near(hq, day)
    if not reached(to, day) and not close:
        return FREE
    if kind == "a" and data_center:
        return "yes", "licence_required", "presumption_of_denial" if close else "presumption_of_approval"
    inside = route == "in_country_transfer" and (near(to, day) or day >= dt.date(2024, 4, 4))
    notice = close and not inside
    return "yes", "exception_with_notification" if notice else "exception_no_notification", "not_applicable"
