"""Samples for calibration and evaluation: a reader a kind, all through the runtime's decode."""
