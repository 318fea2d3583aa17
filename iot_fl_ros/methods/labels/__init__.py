"""Soft labels: their codec, aggregation, selection of samples, what is kept of them."""
