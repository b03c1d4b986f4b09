"""Predictors of serving side by side: ours, an installed AIConfigurator, and whoever registers one.

A plug-in names an object with the methods of `Predictor` under the entry point group ``chipwise.predictors``;
`chipwise.testing.check_predictor` is the suite it must pass.
"""

from __future__ import annotations

from chipwise.perf.predictors.found import predictor, predictors
from chipwise.perf.predictors.protocol import Prediction, Predictor, PredictorCase

__all__ = ["Prediction", "Predictor", "PredictorCase", "predictor", "predictors"]
