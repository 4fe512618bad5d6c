"""What a release runs: `python -m tools.release.NAME`."""
