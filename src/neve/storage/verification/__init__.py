"""Looking whether everything that was stored is there and right, and saying what is touched if it is not."""
