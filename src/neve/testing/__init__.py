"""Contract suites, in-memory stores held to them, faults, and a world without sockets."""
