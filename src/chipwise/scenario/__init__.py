"""The scenario, its outlook tree, and how to read one."""
