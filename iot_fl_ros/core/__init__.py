"""Values that every room shares; no I/O, no ROS, no torch."""
