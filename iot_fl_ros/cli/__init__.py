"""The command line `iot-fl`: one file per verb."""
