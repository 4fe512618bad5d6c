"""What Stormkit's good answers hold, as typed values. Each function raises ServerFault where one can't be used."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from stormkit_action.errors import ServerFault
from stormkit_action.stormkit.models import Deployment, Page, PolledStatus, Status, parse_id
from stormkit_action.stormkit.session import Answer


def triggered(answer: Answer) -> str:
    """The id of the deployment that was triggered: all that can be counted on of what is told about it."""
    # The documented answer is the deployment itself; accept it wrapped, as the other calls answer, too.
    inner = answer.data.get("deployment")
    try:
        return parse_id((inner if isinstance(inner, Mapping) else answer.data).get("id"))
    except ValueError as error:
        raise ServerFault(
            f"Stormkit accepted the trigger, but {error} in its answer. Look at the dashboard for the deployment."
        ) from None


def page(answer: Answer) -> Page:
    """One page of the list. A row that can't be read does not hide the others."""
    rows = answer.data.get("deployments")
    if not isinstance(rows, list):
        raise ServerFault("Stormkit answered the list of deployments without deployments. Run again later.")
    return Page(
        deployments=tuple(_readable(rows)), has_next=answer.data.get("hasNextPage") is True, server_date=answer.date
    )


def _readable(rows: list[Any]) -> Iterator[Deployment]:
    for row in rows:
        if isinstance(row, Mapping):
            with contextlib.suppress(ValueError):
                yield Deployment.from_api(row)


def deployment(answer: Answer, deployment_id: str) -> Deployment:
    """The deployment that was read."""
    data = answer.data.get("deployment")
    if not isinstance(data, Mapping):
        raise ServerFault(f"Stormkit answered without the deployment {deployment_id}. Run again later.")
    try:
        return Deployment.from_api(data)
    except ValueError as error:
        raise ServerFault(f"Stormkit's answer can't be used: {error}. Run again later.") from None


def polled(answer: Answer, deployment_id: str) -> PolledStatus:
    """The status of the deployment that was polled."""
    status = answer.data.get("status")
    if not isinstance(status, str) or not status:
        raise ServerFault(f"Stormkit answered without the status of deployment {deployment_id}. Run again later.")
    return PolledStatus(status=Status.parse(status), unknown_status="" if status in set(Status) else status)
