"""Typed requests and responses, pinned to the SDKs' service models by tests."""
