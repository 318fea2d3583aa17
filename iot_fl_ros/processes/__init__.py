"""Fleets of processes on this machine: started, watched, ended."""
