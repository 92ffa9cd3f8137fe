"""Layers that rearrange the axes and values of their input."""
