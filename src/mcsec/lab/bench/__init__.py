"""Measurements. Never part of a test: a test says whether it works, a measurement how fast."""
