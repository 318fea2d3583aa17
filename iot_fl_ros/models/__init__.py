"""Torch modules and their registry."""
