"""The time and memory of one training step over arrays of layouts, its free terms, and the search."""
