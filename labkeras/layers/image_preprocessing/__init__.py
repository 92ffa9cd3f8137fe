"""Layers that change images at random, against learning by heart."""
