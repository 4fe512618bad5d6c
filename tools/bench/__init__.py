"""Measurements, not tests. Each module makes a section of docs/performance.md, and prints it when it is run."""
