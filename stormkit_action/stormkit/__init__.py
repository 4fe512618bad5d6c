"""Stormkit's side: its deployments, its REST API, and waiting for a build."""
