"""KMS, over the local keyring: one module per family of operations."""
