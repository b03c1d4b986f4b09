"""Training runs whose cost their makers published, against the estimate with what they stated and with nothing."""

import pytest

from chipwise.perf import estimate_training
from chipwise.perf.train.run import default_batch

DEEPSEEK_V3_CHIP_HOURS = 2.664e6
"""Pre-training on 14.8e12 tokens with 2,048 H800, batches of 15,360 sequences of 4,096 (arXiv 2412.19437, table 1)."""


@pytest.mark.parametrize("batch", [15_360, None])
def test_deepseek_v3_lies_inside_the_interval_of_its_estimate(batch: int | None) -> None:
    found = estimate_training("h800-sxm", "deepseek-v3", chips=2_048, batch=batch, precision="fp8", seq_len=4_096)
    measured = 14.8e12 / (DEEPSEEK_V3_CHIP_HOURS * 3600.0)
    assert found.tokens_per_s_per_chip.low < measured < found.tokens_per_s_per_chip.high


@pytest.mark.parametrize(
    ("chips", "mixture", "sequences"),
    [
        (64, False, 1_024),  # 4 million tokens at least
        (64, True, 1_024),
        (2_048, False, 1_024),
        (2_048, True, 8_192),
        (100_000, False, 8_192),  # 32 million at most
        (100_000, True, 16_384),  # 64 million at most
    ],
)
def test_the_batch_taken_where_none_is_stated(chips: int, mixture: bool, sequences: int) -> None:
    assert default_batch(chips, 4_096, mixture=mixture) == sequences
