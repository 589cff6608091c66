"""Marks on more chunks than memory holds, for the time of one reckoning."""
