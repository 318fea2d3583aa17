"""Learning with an aggregator: the machines of aggregator and robot, and their workers."""
