"""Studies: what they are, their kinds, their runs and results."""
