"""Tram-FL: one model, or a few, travel through the fleet as tokens and train where they are."""
