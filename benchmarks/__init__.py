"""Races and speeds: each module runs alone (`python -m benchmarks.bench_rules`) or all together (`make bench`)."""
