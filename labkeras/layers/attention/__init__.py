"""Layers that let each position of a sequence take from others what it needs."""
