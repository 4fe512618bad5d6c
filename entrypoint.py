"""What the container runs: hand the environment to the program and its exit code to the runner."""

import os
import sys

from stormkit_action.cancellation import Cancellation


def run() -> int:
    """One step. Signals are listened to before anything slow is imported."""
    cancellation = Cancellation()
    cancellation.listen_to_signals()
    from stormkit_action.cli import main  # noqa: PLC0415

    return main(sys.argv[1:], os.environ, cancellation)


if __name__ == "__main__":
    code = run()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: it would wait for threads that a cancel left in a slow request.
    os._exit(code)
