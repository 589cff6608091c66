"""The files of the audit log."""
