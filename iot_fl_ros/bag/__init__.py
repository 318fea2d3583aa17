"""Bags: recording them, playing federations back, judging a split model on recorded pictures."""
