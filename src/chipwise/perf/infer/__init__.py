"""Serving physics on the operator layer: one step, what a cache holds, and closed-form load."""
