"""The in-memory driver: whole fleets in one process, virtual time, seeded faults."""
