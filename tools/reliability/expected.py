"""The expected result of every cell of the matrix.

A run with another result is a bug, unless the change is intended; then the result is changed here.
"""

Row = tuple[str, int, str, int]
"""The result and the number of builds if the fault happens once, and both again if it always happens."""

# The request is carried out, and its answer is lost, late or unreadable.
CARRIED_OUT = ("answer-lost", "slow", "garbage", "empty-object", "unknown-status", "late", "502-json-done", "103")
# The request is not carried out, and repeating it does not help.
REFUSED = ("403", "404", "407")

USUAL: dict[str, Row] = {
    "trigger": ("success", 1, "failed", 0),
    "lost-list": ("success", 1, "failed", 1),
    "poll": ("success", 1, "timed-out", 1),
    "read": ("success", 1, "timed-out", 1),
    "publish": ("success, live", 1, "failed", 1),
    "retry": ("success", 2, "failed", 1),
    "restart": ("success", 1, "failed", 0),
    "restart-loses": ("failed", 1, "failed", 0),
    "timeout-stop": ("timed-out", 1, "timed-out, still building", 1),
    "stop": ("stopped", 0, "failed, still building", 0),
    "delete": ("success, 1 deleted", 0, "failed", 0),
    "cleanup-list": ("success, 1 deleted", 0, "failed", 0),
    "cleanup-delete": ("success, 1 deleted", 0, "failed", 0),
    "cleanup-read": ("success, 1 deleted", 0, "failed", 0),
}

EXCEPTIONS: dict[str, dict[tuple[str, ...], Row]] = {
    "trigger": {
        (*CARRIED_OUT, "502-json-late"): ("success", 1, "success", 1),
        (*REFUSED, "404-html", "403-html", "404-unqueued"): ("failed", 0, "failed", 0),
    },
    "lost-list": {
        (*REFUSED, "404-html", "403-html"): ("failed, still building", 1, "failed, still building", 1),
        ("unknown-status",): ("success", 1, "success", 1),
    },
    "poll": {
        ("403",): ("failed, still building", 1, "failed, still building", 1),
        ("404", "unknown-status", "404-ingress", "404-html"): ("success", 1, "success", 1),
    },
    "read": {
        ("403",): ("failed, still building", 1, "failed, still building", 1),
        ("404",): ("success", 1, "stopped, still building", 1),
    },
    "publish": {
        (*CARRIED_OUT, "502-json-late"): ("success, live", 1, "success, live", 1),
        REFUSED: ("failed", 1, "failed", 1),
    },
    "retry": {
        (*CARRIED_OUT, "502-json-late"): ("success", 2, "success", 2),
        REFUSED: ("failed", 1, "failed", 1),
    },
    "restart": {
        (*CARRIED_OUT, "502-json-late"): ("success", 1, "success", 1),
        (*REFUSED, "500"): ("failed", 0, "failed", 0),
    },
    "restart-loses": {
        (*CARRIED_OUT, "502-json-late"): ("failed", 1, "failed", 1),
        (*REFUSED, "500"): ("failed", 0, "failed", 0),
    },
    "timeout-stop": {
        CARRIED_OUT: ("timed-out", 1, "timed-out", 1),
        ("403", "407"): ("timed-out, still building", 1, "timed-out, still building", 1),
    },
    "stop": {
        (*CARRIED_OUT, "502-json-late"): ("stopped", 0, "stopped", 0),
        ("403", "407"): ("failed, still building", 0, "failed, still building", 0),
    },
    "delete": {
        REFUSED: ("failed", 0, "failed", 0),
        ("garbage", "empty-object", "unknown-status"): ("success, 1 deleted", 0, "success, 1 deleted", 0),
    },
    "cleanup-list": {
        (*REFUSED, "404-html", "403-html"): ("failed", 0, "failed", 0),
        ("unknown-status",): ("success, 1 deleted", 0, "success, 1 deleted", 0),
    },
    "cleanup-delete": {
        REFUSED: ("failed", 0, "failed", 0),
        ("garbage", "empty-object", "unknown-status"): ("success, 1 deleted", 0, "success, 1 deleted", 0),
    },
    "cleanup-read": {
        REFUSED: ("failed", 0, "failed", 0),
        ("unknown-status",): ("success, 1 deleted", 0, "success, 1 deleted", 0),
    },
}


def expected(scenario: str, fault: str) -> Row:
    """The row of `fault` in the table of `scenario`."""
    exceptions = EXCEPTIONS.get(scenario, {})
    return next((row for faults, row in exceptions.items() if fault in faults), USUAL[scenario])
