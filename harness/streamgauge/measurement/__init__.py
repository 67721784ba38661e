"""Measurement without a clock: the metrics, the results that hold them, and what is decided from results."""
