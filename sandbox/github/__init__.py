"""A local GitHub: the parts of its REST API that the action uses."""
