"""The names of files in a sweep's folder, beside those of the ledger."""

__all__ = ["LOCK", "STOP"]

LOCK = "sweep.lock"
"""One process locks it while it drives the sweep."""

STOP = "stop"
"""It asks the sweep to end, as `labkeras sweep stop` does."""
