"""The entry points: install the signal handlers, run the program, and exit."""

import contextlib
import gc
import os
import sys
from typing import NoReturn

from stormkit_action.cancellation import Cancellation


def run() -> NoReturn:
    """Run one step and exit with its code: a step of GitHub's, or the command line of any other CI or terminal."""
    cancellation = _listen_to_signals()
    # Imported objects live as long as the process: keep the collector off them while importing (a tenth of the start)
    # and afterwards. Imports come after the signal handlers, because they take a while.
    gc.disable()
    from stormkit_action.main import run_command_line, run_step  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    arguments = sys.argv[1:]
    if os.environ.get("GITHUB_ACTIONS") == "true" and not arguments:
        _exit(run_step(os.environ, cancellation))
    try:
        code = run_command_line(arguments, os.environ, cancellation)
    except SystemExit as ended:  # argparse's way to end after --help and --version
        code = int(ended.code or 0)
    _exit(code)


def finish() -> NoReturn:
    """Run the post step: finish what a killed step left behind, and exit."""
    cancellation = _listen_to_signals()
    from stormkit_action.post import run_post_step  # noqa: PLC0415 - as above

    _exit(run_post_step(os.environ, cancellation))


def _listen_to_signals() -> Cancellation:
    cancellation = Cancellation()
    cancellation.listen_to_signals()
    return cancellation


def _exit(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        # The work is done: a log that can no longer be written must not change the exit code.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # Not sys.exit: it would wait for threads that a cancel left in a slow request.
    os._exit(code)


if __name__ == "__main__":
    run()
