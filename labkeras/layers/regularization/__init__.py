"""Regularization layers: noise that only training sees."""
