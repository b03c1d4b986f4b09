"""The command line: a thin shell that nothing imports."""
