#!/usr/bin/env -S --block-signal=INT,TERM,HUP -u PYTHONEXECUTABLE -u __PYVENV_LAUNCHER__ /opt/venv/bin/python -Eu
"""What the container runs: one step of a workflow, or `stormkit-action` in any other CI."""

from stormkit_action.__main__ import run

if __name__ == "__main__":
    run()
