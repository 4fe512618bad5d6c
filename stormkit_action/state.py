"""What a step leaves for its post step in GITHUB_STATE: both ends of that format are here.

The runner hands `name=value` of the step's state file to the post step as the variable STATE_name.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from stormkit_action import fields, parsers

STARTED, FINISHED = "started", "finished"
_TIMED_OUT = "timed-out"


class StateFile(Protocol):
    """Where a step's state is saved."""

    def save_state(self, name: str, text: str) -> None:
        """Save `text` for the post step."""
        ...


class StartedDeployment(NamedTuple):
    """A deployment that the step began. Without an id only its trigger is known, sent at `sent_at` (Unix seconds).

    `ended_as` and `reason` are the outcome that the step has reported, empty where it left the end to the post step.
    """

    env_id: str
    deployment_id: str
    branch: str
    sent_at: int
    ended_as: str = ""
    reason: str = ""


def save_started(files: StateFile, started: tuple[StartedDeployment, ...]) -> None:
    """Remember the deployments that the step began, in case it is killed."""
    entries = [
        {
            "env-id": deployment.env_id,
            "deployment-id": deployment.deployment_id,
            "branch": deployment.branch,
            "sent-at": deployment.sent_at,
            "ended-as": deployment.ended_as,
            "reason": deployment.reason,
        }
        for deployment in started
    ]
    files.save_state(STARTED, json.dumps(entries))


def save_finished(files: StateFile, *, finished: bool, timed_out: bool) -> None:
    """Remember how the step ended: `finished` when it left nothing to the post step, else whether it `timed_out`."""
    files.save_state(FINISHED, "true" if finished else _TIMED_OUT if timed_out else "")


def has_timed_out(environ: Mapping[str, str]) -> bool:
    """Whether the step ran out of time, and what it left for the post step is to be stopped for that."""
    return environ.get(f"STATE_{FINISHED}") == _TIMED_OUT


def read_started(environ: Mapping[str, str]) -> tuple[StartedDeployment, ...]:
    """What the step remembered; nothing where it can't be read: an earlier step can set any variable."""
    try:
        entries = json.loads(environ.get(f"STATE_{STARTED}", ""))
    except (ValueError, RecursionError):
        return ()
    return tuple(_started(entries)) if isinstance(entries, list) else ()


def _started(entries: list[object]) -> Iterator[StartedDeployment]:
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        branch, sent_at = entry.get("branch"), entry.get("sent-at")
        if not isinstance(branch, str) or type(sent_at) is not int or not 0 <= sent_at <= fields.LATEST_S:
            continue
        with contextlib.suppress(ValueError):
            yield StartedDeployment(
                env_id=parsers.env_id(str(entry.get("env-id", ""))),
                deployment_id=parsers.deployment_id(str(entry.get("deployment-id", ""))),
                branch=branch,
                sent_at=sent_at,
                ended_as=fields.text(entry.get("ended-as")),
                reason=fields.text(entry.get("reason")),
            )
