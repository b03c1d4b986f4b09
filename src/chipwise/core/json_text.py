"""JSON that is the same on every machine and every run."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any


def plain(value: Any) -> Any:
    """Turn dates, tuples, mappings and non-finite numbers into what JSON can hold.

    Infinity becomes the string ``"inf"`` (an unbounded runway), NaN becomes ``None``.
    """
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, float):
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        if math.isnan(value):
            return None
        return float(f"{value:.12g}")
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if hasattr(value, "item"):
        return plain(value.item())
    return value


def dumps(value: Any) -> str:
    """Serialise with two-space indent, fixed float precision and a final newline."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
