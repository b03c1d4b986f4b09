"""How long a stock lasts; what to buy, rent, borrow or substitute, month by month."""
