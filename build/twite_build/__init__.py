"""Twite's build step: a trained model to a verified bundle."""

__version__ = "0.1.0"
