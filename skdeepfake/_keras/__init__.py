"""Helpers for Keras networks. Importing this package does not import Keras."""
