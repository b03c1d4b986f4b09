"""Scorers behind `chipwise validate`: judge a model on measured cases without fitting to them."""
