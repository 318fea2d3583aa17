"""A model trained on samples, and what that costs."""
