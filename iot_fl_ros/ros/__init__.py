"""The bridge to ROS 2: message conversion, QoS, parameters, the driver of state machines."""
