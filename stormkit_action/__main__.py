"""One process from its start to its exit: signals first, then the program, then out."""

import gc
import os
import sys
from typing import NoReturn

from stormkit_action.cancellation import Cancellation


def run() -> NoReturn:
    """Run one step and exit with its code."""
    cancellation = _listening()
    # Imported after the signals are listened to: it takes a while. What imports make stays, so the collector neither
    # looks at it while it is made (a tenth of the way to the trigger) nor later.
    gc.disable()
    from stormkit_action.cli import main  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    _leave(main(sys.argv[1:], os.environ, cancellation))


def finish() -> NoReturn:
    """Finish what a killed step left behind, and exit."""
    cancellation = _listening()
    from stormkit_action.cli import finish as finish_step  # noqa: PLC0415 - as above

    _leave(finish_step(os.environ, cancellation))


def _listening() -> Cancellation:
    cancellation = Cancellation()
    cancellation.listen_to_signals()
    return cancellation


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: it would wait for threads that a cancel left in a slow request.
    os._exit(code)
