"""The fault matrix: what the action makes of every fault of every call, run against the sandbox's Stormkit."""
