"""Reports of random hostile text, judged by GitHub's own markdown renderer: `make fuzz`."""
