"""A local Stormkit: its Deployments API, builds and previews."""
