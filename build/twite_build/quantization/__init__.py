"""Quantization: a float32 .tflite to smaller or faster ones."""
