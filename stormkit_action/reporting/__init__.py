"""Where results go: one direction only, and never a failed step. A Result goes in, a place out."""
