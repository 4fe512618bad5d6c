"""What every cell of the matrix has to come to. A run that differs is a bug, or a decision that belongs here.

A row is the end and the builds that were started, first where the fault strikes once, then where it strikes always.
"""

Row = tuple[str, int, str, int]

# The request is carried out, and its answer is lost, late or unreadable.
CARRIED_OUT = ("answer-lost", "slow", "garbage", "empty-object", "unknown-status", "late")
# It is not, and a later try may be.
NOT_CARRIED_OUT = ("never-arrived", "500", "502-html", "503", "429-header", "429-body")
# It is not, and no repetition mends that.
REFUSED = ("403", "404")

USUAL: dict[str, Row] = {
    "trigger": ("success", 1, "failed", 0),
    "lost-list": ("success", 1, "failed", 1),
    "poll": ("success", 1, "timed-out", 1),
    "read": ("success", 1, "timed-out", 1),
    "publish": ("success, live", 1, "success, live", 1),
    "restart": ("success", 2, "success", 2),
    "timeout-stop": ("timed-out", 1, "timed-out, still building", 1),
    "stop": ("stopped", 0, "failed, still building", 0),
    "delete": ("success, 1 deleted", 0, "failed", 0),
    "cleanup-list": ("success, 1 deleted", 0, "failed", 0),
    "cleanup-delete": ("success, 1 deleted", 0, "failed", 0),
    "cleanup-read": ("success, 1 deleted", 0, "failed", 0),
}

EXCEPTIONS: dict[str, dict[tuple[str, ...], Row]] = {
    "trigger": {
        CARRIED_OUT: ("success", 1, "success", 1),
        REFUSED: ("failed", 0, "failed", 0),
    },
    "lost-list": {
        REFUSED: ("failed, still building", 1, "failed, still building", 1),
        ("unknown-status",): ("success", 1, "success", 1),
    },
    "poll": {
        ("403",): ("failed, still building", 1, "failed, still building", 1),
        ("404", "unknown-status"): ("success", 1, "success", 1),
    },
    "read": {
        ("403",): ("failed, still building", 1, "failed, still building", 1),
        ("404",): ("success", 1, "stopped, still building", 1),
    },
    "publish": {
        NOT_CARRIED_OUT: ("success, live", 1, "failed", 1),
        REFUSED: ("failed", 1, "failed", 1),
    },
    "restart": {
        NOT_CARRIED_OUT: ("success", 2, "failed", 1),
        REFUSED: ("failed", 1, "failed", 1),
    },
    "timeout-stop": {
        CARRIED_OUT: ("timed-out", 1, "timed-out", 1),
        ("403",): ("timed-out, still building", 1, "timed-out, still building", 1),
    },
    "stop": {
        CARRIED_OUT: ("stopped", 0, "stopped", 0),
        ("403",): ("failed, still building", 0, "failed, still building", 0),
    },
    "delete": {
        REFUSED: ("failed", 0, "failed", 0),
        ("garbage", "empty-object", "unknown-status"): ("success, 1 deleted", 0, "success, 1 deleted", 0),
    },
    "cleanup-list": {
        REFUSED: ("failed", 0, "failed", 0),
        ("unknown-status",): ("success, 1 deleted", 0, "success, 1 deleted", 0),
    },
    "cleanup-delete": {
        REFUSED: ("failed", 0, "failed", 0),
        ("garbage", "empty-object", "unknown-status"): ("success, 1 deleted", 0, "success, 1 deleted", 0),
    },
    "cleanup-read": {
        ("403",): ("failed", 0, "failed", 0),
        ("404",): ("success", 0, "success", 0),
        ("unknown-status",): ("success, 1 deleted", 0, "success, 1 deleted", 0),
    },
}


def expected(scenario: str, fault: str) -> Row:
    """The row of `fault` in the table of `scenario`."""
    exceptions = EXCEPTIONS.get(scenario, {})
    return next((row for faults, row in exceptions.items() if fault in faults), USUAL[scenario])
