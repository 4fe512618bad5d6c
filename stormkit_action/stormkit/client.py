"""One typed method for each endpoint of Stormkit's Deployments API.

What reads the answers is imported once there is one: this module is on the way to the trigger.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stormkit_action.clock import Deadline
from stormkit_action.stormkit.session import EXCHANGE_LIMIT, PATIENCE, Answer, Call, Transport
from stormkit_action.text import one_line

if TYPE_CHECKING:
    from stormkit_action.stormkit.models import Deployment, Page, PolledStatus


class StormkitClient:
    """The eight endpoints, for one environment.

    Every method raises StormkitError. `patience` is how long, in seconds, a call is repeated where that is safe;
    0 makes it a single attempt.
    """

    def __init__(self, transport: Transport, *, env_id: str = "") -> None:
        self._transport = transport
        self.env_id = env_id

    def within(self, deadline: Deadline) -> "StormkitClient":
        """The same client, with every call ended by `deadline` and waiting on its clock."""
        return StormkitClient(self._transport.within(deadline), env_id=self.env_id)

    def deploy(self, branch: str, *, limit: float = EXCHANGE_LIMIT, late: Callable[[str], None] | None = None) -> str:
        """Trigger a build of `branch`: `POST /v1/deploy`, sent once, never repeated. The deployment's id.

        `publish` is sent as false: left out it means the same, and it overrides the environment's own setting.
        `late` gets an answer that comes after `limit` seconds or a cancel.
        """
        call = self._call(
            "POST",
            "/v1/deploy",
            f"triggering the deployment of {one_line(branch)}",
            body={"branch": branch, "publish": False},
        )

        def hand_over(answer: Answer) -> None:
            if late is not None:
                late(_id_of_triggered(answer))

        return _id_of_triggered(self._transport.attempt(call, limit=limit, late=hand_over))

    def deployments(self, *, branch: str = "", offset: int = 0, patience: float = PATIENCE) -> "Page":
        """One page of deployments, newest first: `GET /v1/deployments`."""
        query = {"from": str(offset)} if offset else {}
        if branch:
            query["branch"] = branch
        call = self._call("GET", "/v1/deployments", "listing deployments", query)
        answer = self._send(replace(call, wanted="deployments"), patience)
        from stormkit_action.stormkit import documents  # noqa: PLC0415

        return documents.page(answer)

    def all_deployments(self, *, branch: str = "", patience: float = PATIENCE) -> "Iterator[Deployment]":
        """Every deployment, each once, however the rows move meanwhile: newest first, then what came to the top."""
        from stormkit_action.stormkit import paging  # noqa: PLC0415

        return paging.every(lambda offset: self.deployments(branch=branch, offset=offset, patience=patience))

    def deployment(self, deployment_id: str, *, logs: bool = False, patience: float = PATIENCE) -> "Deployment":
        """One deployment: `GET /v1/deployments/{id}`, with its build log if `logs`."""
        query = {"logs": "true"} if logs else {}
        call = self._call("GET", _path(deployment_id), f"reading deployment {deployment_id}", query)
        answer = self._send(replace(call, wanted="deployment"), patience)
        from stormkit_action.stormkit import documents  # noqa: PLC0415

        return documents.deployment(answer, deployment_id)

    def poll(self, deployment_id: str, *, patience: float = PATIENCE) -> "PolledStatus":
        """The status alone: `GET /v1/deployments/{id}/poll`."""
        call = self._call("GET", f"{_path(deployment_id)}/poll", f"polling deployment {deployment_id}")
        answer = self._send(replace(call, wanted="status"), patience)
        from stormkit_action.stormkit import documents  # noqa: PLC0415

        return documents.polled(answer, deployment_id)

    def publish(self, deployment_id: str, *, patience: float = 0.0) -> None:
        """Make it live: `POST /v1/deployments/{id}/publish`. Its answer is no proof: read the deployment back."""
        call = self._call("POST", f"{_path(deployment_id)}/publish", f"publishing deployment {deployment_id}")
        self._send(call, patience)

    def restart(self, deployment_id: str, *, patience: float = 0.0) -> None:
        """Build a failed one again, under the same id: `POST /v1/deployments/{id}/restart`."""
        call = self._call("POST", f"{_path(deployment_id)}/restart", f"restarting deployment {deployment_id}")
        self._send(call, patience)

    def stop(self, deployment_id: str, *, patience: float = PATIENCE) -> None:
        """Stop a running one: `POST /v1/deployments/{id}/stop`. Does nothing to a finished one, so it repeats."""
        call = self._call("POST", f"{_path(deployment_id)}/stop", f"stopping deployment {deployment_id}")
        self._send(call, patience)

    def delete(self, deployment_id: str, *, patience: float = PATIENCE) -> None:
        """Delete it: `DELETE /v1/deployments/{id}`. Takes a published one down too: look first."""
        self._send(self._call("DELETE", _path(deployment_id), f"deleting deployment {deployment_id}"), patience)

    def _call(
        self,
        method: str,
        path: str,
        action: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Call:
        """The request, with `envId` where servers look for it.

        Servers read it from the query on GET and DELETE and from the body on POST; their OpenAPI document says query
        for POST too. Broad keys need it on every call.
        """
        env = {"envId": self.env_id} if self.env_id else {}
        return Call(
            method=method,
            path=path,
            action=action,
            query={**(query or {}), **env},
            body={**(body or {}), **env} if method == "POST" else None,
        )

    def _send(self, call: Call, patience: float) -> Answer:
        if patience <= 0:
            return self._transport.attempt(call)
        return self._transport.repeat(call, patience=patience)


def _path(deployment_id: str) -> str:
    return f"/v1/deployments/{quote(deployment_id, safe='')}"


def _id_of_triggered(answer: Answer) -> str:
    from stormkit_action.stormkit import documents  # noqa: PLC0415

    return documents.triggered(answer)
