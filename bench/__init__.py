"""Measurements, not tests. Each module prints a section of docs/performance.md."""
