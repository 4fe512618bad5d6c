"""A local GitHub: its REST API, as far as the action uses it."""
