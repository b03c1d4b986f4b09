"""Where a run is kept: its files, written whole or not at all."""
