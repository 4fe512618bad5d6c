"""Measurements for docs/performance.md. Each module produces one section, and prints it when it is run."""
