"""Runs in TensorBoard: a server for them, what it has to show, and what a run leaves there beside its curves."""
