"""Studies: what they are, their runs and results; the table of their kinds is in reports.kinds."""
