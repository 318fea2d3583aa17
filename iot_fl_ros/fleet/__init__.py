"""The in-memory driver: a whole fleet in one process with virtual time and seeded faults."""
