"""Value objects, facts, units, dates and errors; nothing but the standard library."""
