"""What a network does to packets: loss processes, delays, and what retransmission costs."""
