"""Taking away what nothing needs, and nothing else (design, section 6)."""
