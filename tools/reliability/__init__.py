"""The fault matrix: runs the action against the sandbox's Stormkit with every fault in every call."""
