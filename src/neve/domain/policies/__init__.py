"""Policy documents in AWS's own JSON: read, and decided by."""
