"""What the project is built, measured and released with."""
