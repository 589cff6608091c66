"""Who is calling, and what they may do. No I/O."""
