"""Runs and their folders: training, what is written down, going on after an interruption."""
