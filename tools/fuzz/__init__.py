"""Renders reports with random hostile text as GitHub would, and checks that the text stays text: `make fuzz`."""
