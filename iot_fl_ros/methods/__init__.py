"""The maths of learning: one file per method, one contract, one registry."""
