"""How a frozen result shows itself in a notebook: one line in its class, ``_repr_html_ = shown_in_notebook``.

What is drawn lives in `chipwise.report.notebook`, above everything that has results; it is found by name at the moment
of showing, so that no result depends on it.
"""

from __future__ import annotations

import importlib
from typing import Any

_VIEW = "chipwise.report.notebook"


def shown_in_notebook(result: Any) -> str:
    """The result as HTML, every text in it escaped."""
    html: str = importlib.import_module(_VIEW).html_of(result)
    return html
