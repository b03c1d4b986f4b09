"""What a chip can do: training and serving yields in closed form, each with an interval."""

from chipwise.perf.objects import ServingYield, TrainingYield
from chipwise.perf.peaks import peak_training_flop_per_s
from chipwise.perf.serving import estimate_serving
from chipwise.perf.traffic import day_load_factor
from chipwise.perf.training import estimate_training

__all__ = [
    "ServingYield",
    "TrainingYield",
    "day_load_factor",
    "estimate_serving",
    "estimate_training",
    "peak_training_flop_per_s",
]
