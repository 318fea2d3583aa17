"""Federated methods: their maths, their state machines, one file per method."""
