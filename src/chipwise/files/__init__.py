"""Schemas and readers at the border: files go in, plain frozen objects come out."""
