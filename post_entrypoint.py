#!/usr/bin/env -S --block-signal=INT,TERM,HUP -u PYTHONEXECUTABLE -u __PYVENV_LAUNCHER__ /opt/venv/bin/python -Eu
"""What GitHub runs after the job: finishes a step that was killed. After a normal end it imports nothing and exits."""

import os

if __name__ == "__main__" and os.environ.get("STATE_started") and os.environ.get("STATE_finished") != "true":
    from stormkit_action.__main__ import finish

    finish()
