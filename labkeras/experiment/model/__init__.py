"""The model that a config describes: its plan, and its layers."""
