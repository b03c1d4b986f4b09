"""How long a stock lasts; what to buy, rent, borrow or substitute, month by month."""

from chipwise.planning.compose import plan
from chipwise.planning.result import Plan, PlanLine
from chipwise.planning.runway import runway

__all__ = ["Plan", "PlanLine", "plan", "runway"]
