"""One module for each API operation; each reads like its specification."""
