"""Verification: what candidates answer, beside their source, on the engine that serves them."""
