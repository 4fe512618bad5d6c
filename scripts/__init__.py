"""What a release and the documentation run: `python -m scripts.NAME`."""
