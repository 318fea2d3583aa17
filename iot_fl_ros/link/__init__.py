"""Networks as packets see them: loss processes, delays, and the cost of retransmission."""
