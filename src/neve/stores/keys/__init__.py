"""Key providers: who keeps the KMS keys that wrap the data keys of domains."""
