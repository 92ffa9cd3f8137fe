"""Sweeps: the space of a search, its trials, and the ledger that survives everything."""
