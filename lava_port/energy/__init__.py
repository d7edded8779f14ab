"""A Trace to counts and joules, with every level of accounting apart. Knows no backend."""
