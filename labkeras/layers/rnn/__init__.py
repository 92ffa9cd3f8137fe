"""Layers that go through a sequence step by step, with a memory."""
