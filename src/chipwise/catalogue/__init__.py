"""Chips, systems, prices, supply and model shapes; every figure sourced and dated."""
