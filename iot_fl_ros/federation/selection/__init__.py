"""Participant selection: which of the available robots take part in a round.

`settings` says how, `selector` is what the aggregator uses, `policies` hold the choices and the
time that a round of some robots takes, `history` what is known of each robot's times.
"""
