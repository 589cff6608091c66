"""Who did what: a line for each call, written before it is answered where it changes something."""
