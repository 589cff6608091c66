"""STS: who am I, and credentials that expire."""
