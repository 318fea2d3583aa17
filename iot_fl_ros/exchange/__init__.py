"""The kernel of every participant: pieces, repair, refusals, presence. No torch, no ROS."""
