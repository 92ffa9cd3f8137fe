"""Layers that are one activation function."""
