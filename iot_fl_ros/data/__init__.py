"""Data sets, partitions over robots and their registry."""
