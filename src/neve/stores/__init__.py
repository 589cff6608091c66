"""Contracts for what keeps the bytes and the records, and who keeps them."""
