"""Tables and plots from the files of runs and studies. No ROS, no torch."""
