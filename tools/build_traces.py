"""Build the shipped traces: ``python -m tools.build_traces FACTS``, FACTS holding ``traces/``."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

TARGET = Path(__file__).resolve().parent.parent / "src" / "chipwise" / "data" / "traces"
MOONCAKE_S = 1200.0
DAY_S = 86_400


def main(facts: Path) -> None:
    """Write every table without the writer's own metadata."""
    traces = facts / "traces"
    TARGET.mkdir(parents=True, exist_ok=True)
    tables = {
        "azure2023_conversation.parquet": pq.read_table(traces / "azure2023_conversation.parquet"),
        "sharegpt_300_poisson10.parquet": pq.read_table(traces / "sharegpt_300_poisson10_llama31tok.parquet"),
        "arxiv_summarization_lengths.parquet": pq.read_table(traces / "arxiv_summarization_lengths.parquet"),
    }
    mooncake = pq.read_table(traces / "mooncake_conversation.parquet")
    tables["mooncake_conversation.parquet"] = mooncake.filter(pc.less(mooncake.column("arrival_s"), MOONCAKE_S))
    rates = pq.read_table(traces / "servegen_client_rates.parquet")
    rates = rates.filter(pc.less(rates.column("t_s"), DAY_S))
    tables["servegen_client_rates.parquet"] = rates.select(["model_class", "client", "t_s", "rate_rps", "cv"])
    lengths = pq.read_table(traces / "servegen_client_lengths.parquet")
    wanted = pc.is_in(lengths.column("field"), value_set=_fields())
    tables["servegen_client_lengths.parquet"] = lengths.filter(wanted)
    total = 0
    for name, table in tables.items():
        path = TARGET / name
        pq.write_table(table.replace_schema_metadata(None), path, compression="zstd", compression_level=19)
        total += path.stat().st_size
        print(f"{name}: {table.num_rows} rows, {path.stat().st_size:,} bytes")
    cdf = (traces / "azure_cdf.csv").read_text(encoding="utf-8")
    (TARGET / "azure_cdf.csv").write_text(cdf, encoding="utf-8")
    print(f"{total:,} bytes in all")


def _fields() -> object:
    import pyarrow as pa

    return pa.array(["input_tokens", "output_tokens"], pa.large_string())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
