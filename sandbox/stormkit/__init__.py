"""A local Stormkit: API, builds and previews."""
