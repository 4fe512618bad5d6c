"""Deploy a pull request's branch to Stormkit."""

__version__ = "0.1.0"
