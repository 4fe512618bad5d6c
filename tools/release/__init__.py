"""The programs that a release runs: `python -m tools.release.NAME`."""
