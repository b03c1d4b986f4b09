"""Operators on one chip: FLOP, bytes and time with interval, for training and serving alike.

``operator_profile(chip)`` resolves every coefficient once; each operator is then a pure function of the profile and of
shapes, plain numbers or arrays that broadcast.
"""

from chipwise.perf.operators.attention import attention_decode, attention_prefill, mla_decode, mla_prefill
from chipwise.perf.operators.experts import moe
from chipwise.perf.operators.linear import linear_decode, linear_prefill
from chipwise.perf.operators.matrix import gemm, logits
from chipwise.perf.operators.mixed import attention_mixed
from chipwise.perf.operators.objects import EVIDENCE, FAMILY, OperatorProfile, OperatorTime, Surface
from chipwise.perf.operators.profile import operator_profile
from chipwise.perf.operators.streaming import (
    activation,
    add,
    cross_entropy,
    dequantise,
    embedding,
    kv_copy,
    norm,
    optimizer_step,
    quantise,
    rotary,
)

__all__ = [
    "EVIDENCE",
    "FAMILY",
    "OperatorProfile",
    "OperatorTime",
    "Surface",
    "activation",
    "add",
    "attention_decode",
    "attention_mixed",
    "attention_prefill",
    "cross_entropy",
    "dequantise",
    "embedding",
    "gemm",
    "kv_copy",
    "linear_decode",
    "linear_prefill",
    "logits",
    "mla_decode",
    "mla_prefill",
    "moe",
    "norm",
    "operator_profile",
    "optimizer_step",
    "quantise",
    "rotary",
]
