"""Immutable files that hold chunks."""
