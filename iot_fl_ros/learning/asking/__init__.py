"""Whom to ask: which of the available robots take part in a round.

`settings` says how, `asker` is what the aggregator uses, `policies` hold the choices, `times` what
is known of each robot, `timing` how long a round of some robots takes.
"""
