"""What may this buyer have, on this date? Verdicts with reasons, citations, margins and what would flip them."""
