"""Split inference: cutting models, feature packets, codecs, tuning for lossy links."""
