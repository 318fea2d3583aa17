"""Federated learning and split inference for fleets of robots and sensors over DDS."""
